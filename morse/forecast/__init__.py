"""What a configuration will cost, before anyone starts it: GPU hours, disk, memory."""

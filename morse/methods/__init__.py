"""Who answers each call of a sampler: plans over a budget, and the predictors that follow them."""

"""Records of models, with digests, and the models folder. Nothing here runs a model."""

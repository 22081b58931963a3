"""Looking for good hyperparameters: many runs of one job, on this machine or on SageMaker."""

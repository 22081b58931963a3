"""What the scripts about pictures share: GluonCV's networks, pictures from files, augmentation, the training loop."""

"""Jobs on Amazon SageMaker. Here and in `launcher.infra` boto3 may be imported, and nowhere else."""

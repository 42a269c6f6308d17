"""False alarms and harm seen: short trainings on MNIST, undisturbed and with planted harm."""

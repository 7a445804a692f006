"""An organisation that leaves: everything of it into one sealed file, which is verified before anything is dropped."""

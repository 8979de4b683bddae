"""What puts Headrace under load: disks that are slow or dead, the corpus, users, and the comparison with peers."""

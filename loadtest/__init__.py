"""What puts Headrace under load: slow and dead disks, the corpus, users, the comparison with peers."""

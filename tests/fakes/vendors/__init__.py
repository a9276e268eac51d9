"""Stand-ins for vendors' APIs: what each of them asks for, checks and answers, traps included, on a real socket."""

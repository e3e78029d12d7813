// The shim is reached through CTorch at run time; it has no public header.

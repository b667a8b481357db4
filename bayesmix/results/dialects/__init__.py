"""A fit as other programs print it, and why their printouts of one fit differ."""

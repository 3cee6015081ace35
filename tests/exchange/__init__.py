"""The exchange on loopback: its matching, its protocol, its misbehaviour, and clients that no one here wrote."""

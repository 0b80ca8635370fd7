"""The Unity adapters: import settings, projects, and audits of them. The editor itself cannot run here."""

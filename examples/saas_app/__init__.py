"""An ordinary service for many companies: accounts, invites, projects, a back office, a worker, a feed."""

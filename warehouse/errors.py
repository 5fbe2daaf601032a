"""What can go wrong with the database and with builds, each in one line that says what, where, and what to do."""


class DatabaseError(Exception):
    """Any failure to provide a database that Mixhouse can work with."""


class DatabaseUnreachable(DatabaseError):
    """No connection: wrong address or credentials, or the server is down."""


class DatabaseUnfit(DatabaseError):
    """The database answers but cannot be used: too old, not UTF-8, or its tables are missing."""


class RoleRefused(DatabaseError):
    """A user or role that cannot be made or given as asked."""


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL cannot be created, started, stopped or removed."""


class BuildError(Exception):
    """A build did not end well."""


class DbtFailed(BuildError):
    """dbt could not run, or a model or test failed."""


class BuildInProgress(BuildError):
    """Another build works on this database."""

select name
from ops.api_keys
where sha256 = :sha256 and revoked_at is null

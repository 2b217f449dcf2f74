"""What can be told of loop programs without running them."""

from .access_region import get_block_access_region, get_block_read_write_region

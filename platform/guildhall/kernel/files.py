"""Stored files: each tenant has a folder of its own, and no name leads out of it."""

import os
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from guildhall.kernel.tenancy import NoTenant, current_scope_name


class TenantStorage(FileSystemStorage):
    """Django's default storage. Names are relative to the folder of the scope; raises `NoTenant` outside any."""

    @property
    def base_location(self) -> str:
        scope = current_scope_name()
        if scope is None:
            raise NoTenant("no tenant is set here, so there is no folder for files")
        return str(Path(settings.MEDIA_ROOT) / scope)

    @property
    def location(self) -> str:
        return os.path.abspath(self.base_location)

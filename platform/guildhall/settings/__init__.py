"""Django settings. Values come from the environment through `env` alone."""

from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF

from guildhall.settings.api import REST_FRAMEWORK as REST_FRAMEWORK
from guildhall.settings.api import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from guildhall.settings.console import UNFOLD as UNFOLD
from guildhall.settings.env import ROOT, database, env

BASE_DIR = ROOT
VAR_DIR = env.guildhall_var
SECRET_KEY = env.secret_key
DEBUG = env.debug
PORT = env.port
PUBLIC_HOST = env.public_host
# HostMiddleware answers 404 for every host that is neither the platform's nor in the table of domains.
ALLOWED_HOSTS = ["*"]
WSGI_APPLICATION = "guildhall.wsgi.application"
ASGI_APPLICATION = "guildhall.asgi.application"
ROOT_URLCONF = "guildhall.urls_tenant"
PUBLIC_SCHEMA_URLCONF = "guildhall.urls_public"

SHARED_APPS = [
    "unfold.apps.BasicAppConfig",
    "guildhall.owner.apps.OwnerConsoleConfig",  # django.contrib.admin
    "django.contrib.auth",
    # After auth, whose sign-in receiver it takes off; before django_tenants, which has a command create_tenant as well.
    "tenants",
    "django_tenants",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "django_htmx",
    "csp",
    "guildhall.kernel",
    "guildhall.evidence",
    "guildhall.portal",
    "guildhall.realtime",
    "guildhall.streams",
    "guildhall.fleet",
    "guildhall.demo",
    "guildhall.embedded",
    "gateway",
]
TENANT_APPS = ["guildhall.api", "governance", "workflows", "gpu_workers"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = False
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
DATABASE_URL = env.database_url
DATABASE_ADMIN_URL = env.database_admin_url
RELAY_DATABASE_URL = env.relay_database_url
SEALER_DATABASE_URL = env.sealer_database_url
_as_owner = env.guildhall_db_login == "owner"
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "guildhall.kernel.postgres",
        **database(env.database_admin_url if _as_owner else env.database_url),
        "SWITCH_ROLES": not _as_owner,
        "CONN_MAX_AGE": 0,
        "OPTIONS": {}
        if _as_owner
        else {
            "pool": {
                "min_size": 0,
                "max_size": env.guildhall_db_pool,
                "max_lifetime": 600,
                "timeout": 20,
            }
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tenants.web.lean.ContentSecurityPolicy",
    "tenants.web.middleware.OperationMiddleware",
    "tenants.web.middleware.HostMiddleware",
    "tenants.web.lean.Sessions",
    "django.middleware.common.CommonMiddleware",
    "guildhall.portal.unseen.UnseenMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "tenants.web.lean.Authentication",
    "tenants.web.middleware.IdentityMiddleware",
    "tenants.web.rates.RateMiddleware",
    "tenants.web.lean.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tenants.web.nulls.NullMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "guildhall.portal.context.shell",
            ]
        },
    }
]

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "tenants.auth.backend.MemberBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
OTP_TOTP_ISSUER = "Guildhall"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_HANDLER = "tenants.auth.lockout.IdentityHandler"
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "tenants.auth.lockout.username"
AXES_CLIENT_IP_CALLABLE = "tenants.auth.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "tenants.auth.lockout.keep_response"
SESSION_ENGINE = "tenants.auth.sessions"
SESSION_COOKIE_NAME = "gh_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 12
CSRF_COOKIE_NAME = "gh_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = False
CSRF_FAILURE_VIEW = "guildhall.portal.views.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/", "/api/docs/"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    },
}
_mail = urlsplit(env.email_url)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _mail.scheme in ('smtp', 'smtps') else 'console'}.EmailBackend"
EMAIL_HOST = _mail.hostname or "localhost"
EMAIL_PORT = _mail.port or 25
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = f"Guildhall <guildhall@{PUBLIC_HOST}>"
JWT_ACCESS_LIFETIME = timedelta(minutes=15)
JWT_REFRESH_LIFETIME = timedelta(days=14)

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["guildhall.settings.formats"]
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static" / "src"]
STATIC_ROOT = env.guildhall_static or BASE_DIR / "static" / "build"
STATIC_AS_IS = "django.contrib.staticfiles.storage.StaticFilesStorage"
STATIC_COLLECTED = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "guildhall.kernel.files.TenantStorage"},
    "staticfiles": {"BACKEND": STATIC_COLLECTED if env.guildhall_static else STATIC_AS_IS},
}
MEDIA_ROOT = VAR_DIR / "media"
WORK_DIR = env.guildhall_work or VAR_DIR / "work"
REPOSITORIES_DIR = WORK_DIR / "repositories"
WORKSPACES_DIR = WORK_DIR / "workspaces"
FORGE_LOOPBACK = env.guildhall_forge_loopback
TOOL_NETWORKS = env.guildhall_tool_networks
BASE_IMAGES = env.guildhall_base_images
SANDBOX = env.guildhall_sandbox
SANDBOX_IMAGE = env.guildhall_sandbox_image
SANDBOX_IMAGES = env.guildhall_sandbox_images
COMMAND_SECONDS = env.guildhall_command_seconds
COMMAND_CPU_SECONDS = env.guildhall_command_cpu_seconds
COMMAND_MEMORY = env.guildhall_command_memory_mib * 1024 * 1024
COMMAND_DISK = env.guildhall_command_disk_mib * 1024 * 1024
RUN_LEASE = timedelta(seconds=env.guildhall_lease_seconds)
WORKSPACE_TIME = timedelta(days=env.guildhall_workspace_days)
SEALS_DIR = env.guildhall_seals or VAR_DIR / "seals"
ARCHIVES_DIR = VAR_DIR / "archives"
AUDIT_MONTHS = env.guildhall_audit_months
AUDIT_LEVEL = env.guildhall_audit_level
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

REDIS_URL = env.redis_url
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "guildhall.kernel.cache.tenant_key",
        "OPTIONS": {"socket_timeout": 0.3, "socket_connect_timeout": 0.3},
    }
}
RATE_SIGNED_OUT = env.guildhall_rate_signed_out
RATE_PERSON = env.guildhall_rate_person
METRICS_TOKEN = env.guildhall_metrics_token
RATE_TENANT = env.guildhall_rate_tenant
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
}
CELERY = {
    "broker_url": REDIS_URL,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "visibility_timeout": 3600,
        "unacked_restore_limit": 100,
        "socket_connect_timeout": 2,
        "socket_timeout": 5,  # longer than a worker's blocking read; a broker that hangs is as good as gone
    },
    # A message only says that there may be work: what is not sent now is sent again by the scheduler.
    "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_ignore_result": True,
    "task_default_queue": "default",
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_hijack_root_logger": False,
    "worker_send_task_events": False,
    "timezone": "UTC",
    "beat_schedule_filename": str(VAR_DIR / "celerybeat-schedule"),
    "beat_schedule": {
        "wake-lagging-consumers": {"task": "guildhall.evidence.tasks.wake_lagging", "schedule": 5.0},
        "wake-waiting-work": {"task": "gpu_workers.tasks.wake_waiting_work", "schedule": 5.0},
        "expire-what-is-due": {"task": "gpu_workers.tasks.expire_what_is_due", "schedule": 15.0},
        "look-at-the-engines": {"task": "gateway.tasks.look_at_engines", "schedule": 5.0},
        "look-at-the-calendar": {"task": "workflows.tasks.look_at_the_calendar", "schedule": 30.0},
        "let-reputation-decay": {
            "task": "gpu_workers.tasks.let_reputation_decay",
            "schedule": crontab(hour="3", minute="41"),
        },
        "charge-storage": {"task": "gpu_workers.tasks.charge_storage", "schedule": crontab(hour="1", minute="11")},
        "tidy-workspaces": {"task": "gpu_workers.tasks.tidy_workspaces", "schedule": crontab(hour="0", minute="53")},
        "sweep-files": {"task": "workflows.tasks.sweep_files_everywhere", "schedule": crontab(hour="2", minute="47")},
        "reconcile-ledgers": {"task": "gateway.tasks.reconcile_ledgers", "schedule": crontab(hour="2", minute="23")},
        "purge-what-has-run-out": {"task": "tenants.tasks.purge_expired", "schedule": crontab(hour="3", minute="17")},
    },
}

LLM_BASE_URL = env.llm_base_url
LLM_MODEL = env.llm_model
LLM_API_KEY = env.llm_api_key
LLM_LOCAL = env.llm_local
LLM_ABILITIES = env.llm_abilities
LLM_CONTEXT_TOKENS = env.llm_context_tokens

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"redacted": {"()": "guildhall.kernel.logs.Redacted"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["redacted"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"httpx": {"level": "WARNING"}, "httpx2": {"level": "WARNING"}, "axes": {"level": "WARNING"}},
}
SILENCED_SYSTEM_CHECKS = ["django_tenants.W003"]

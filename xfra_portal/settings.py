"""Django's settings. One file; what differs between profiles is read from xfra_portal.environment."""

from __future__ import annotations

import re
from typing import Any

import environ
from csp.constants import NONE, SELF

from xfra_portal import environment as e

PROFILE = e.PROFILE
IS_PRODUCTION = PROFILE == "production"
BASE_DIR = e.ROOT
DATA_DIR = e.DATA_DIR
SECRET_KEY = e.SECRET_KEY or ("" if IS_PRODUCTION else "local-only-not-a-secret-" + "x" * 40)
SECRET_KEY_FALLBACKS = e.SECRET_KEY_FALLBACKS
DEBUG = False
ORIGINS = e.ORIGINS
"""The portal's own names, see xfra_portal.origins; the first is that of links in mails."""
ALLOWED_HOSTS = [re.sub(r":\d+$", "", origin.partition("://")[2]) for origin in ORIGINS]
CSRF_TRUSTED_ORIGINS = ORIGINS

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "allauth.usersessions",
    "channels",
    "xfra_portal.apps.PortalConfig",
    "billing.apps.BillingConfig",
    "telemetry.apps.TelemetryConfig",
    "homes.apps.HomesConfig",
]

MIDDLEWARE = [
    "xfra_portal.middleware.UnavailableMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "xfra_portal.middleware.HeadersMiddleware",
    "xfra_portal.origins.OwnNameMiddleware",
    "xfra_portal.unreadable.ReadableMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "xfra_portal.middleware.CompressMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "homes.middleware.NobodyMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "homes.middleware.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "homes.last_use.LastUseMiddleware",
]

ROOT_URLCONF = "xfra_portal.urls"
ASGI_APPLICATION = "xfra_portal.asgi.application"

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
                "csp.context_processors.nonce",
                "xfra_portal.context.portal",
            ]
        },
    }
]


def _database(url: str) -> dict[str, Any]:
    parsed: dict[str, Any] = environ.Env.db_url_config(url or "postgres://unset:unset@127.0.0.1:1/unset")
    parsed["ENGINE"] = "django.db.backends.postgresql"
    # A dead Postgres must be noticed within a page's patience, not after the pool's default of 30 s.
    patience = {"connect_timeout": 2, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    parsed["OPTIONS"] = patience | parsed.get("OPTIONS", {})  # what the address says, such as sslmode, goes before
    return parsed


DATABASES: dict[str, Any] = {"default": _database(e.DATABASE_URL), "owner": _database(e.DATABASE_OWNER_URL)}
DATABASES["default"]["OPTIONS"]["pool"] = {
    "min_size": 1,
    "max_size": 12,
    "timeout": 2,
    "max_lifetime": 600,
    "reconnect_timeout": 2,  # by default attempts get rarer for minutes, and a Postgres that is back stays unused
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # else each pooled connection that died costs somebody a 503
DATABASES["default"]["TEST"] = {"MIRROR": "owner"}
DATABASE_ROUTERS = ["xfra_portal.database.Router"]
DATABASE_APP_ROLE = DATABASES["default"]["USER"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = e.REDIS_URL
INGEST_REDIS_URL = e.INGEST_REDIS_URL
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_PREFIX = f"xfra-{PROFILE}"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": CHANNEL_PREFIX},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"telemetry.tasks.drain": {"queue": "ingest"}}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

INGEST_SHARDS = e.INGEST_SHARDS
INGEST_STREAM_BYTES = e.INGEST_STREAM_BYTES
INGEST_DEAD_LETTER_BYTES = e.INGEST_DEAD_LETTER_BYTES
NODE_SAMPLES_PER_SECOND = e.NODE_SAMPLES_PER_SECOND
NODE_BYTES_PER_SECOND = e.NODE_BYTES_PER_SECOND
DISK_FOLDERS = e.DISK_FOLDERS
DISK_FREE_BYTES = e.DISK_FREE_BYTES
DISK_FREE_RATIO = e.DISK_FREE_RATIO
REDIS_MEMORY_RATIO = e.REDIS_MEMORY_RATIO
SAMPLES_URL = e.SAMPLES_URL
RAW_RETENTION_HOURS = e.RAW_RETENTION_HOURS
GPU_HOUR_DOLLARS = e.GPU_HOUR_DOLLARS
SEAL_AFTER_HOURS = e.SEAL_AFTER_HOURS
SHOWS_SIMULATED_DATA = e.SHOWS_SIMULATED_DATA
STATEMENT_SIGNING_KEY = e.STATEMENT_SIGNING_KEY
PAYOUT_PROVIDER = e.PAYOUT_PROVIDER

AUTH_USER_MODEL = "homes.User"
AUTHENTICATION_BACKENDS = ["homes.sign_in.Backend"]
SESSION_ENGINE = "homes.sessions"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_ADAPTER = "homes.accounts.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"  # people are invited by an operator; nobody signs up by themselves
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # strangers are not written to
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60  # so long the password, or the second factor, counts as given just now
# allauth's own would write each address into a table of its own, and sign people in by it after they changed it.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"
ACCOUNT_RATE_LIMITS = {"manage_email": "10/h/user"}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
USERSESSIONS_TRACK_ACTIVITY = True
MFA_ADAPTER = "homes.accounts.SealedMFAAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # allauth keeps no addresses here; whoever has one has it by invitation or proof
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False  # it would be any origin; http://localhost is good without: homes.passkeys
ANDROID_APPS = e.ANDROID_APPS
IOS_APPS = e.IOS_APPS
PASSKEY_APP_ORIGINS = [app.passkey_origin for app in ANDROID_APPS]
MFA_TOTP_ISSUER = "XFRA portal"
REQUIRE_OPERATOR_MFA = IS_PRODUCTION
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "homes.app_sessions.AppTokenStrategy"
SESSION_COOKIE_AGE = 14 * 86400

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_NAMES_ROOT = DATA_DIR / "static-names"
WHITENOISE_MAX_AGE = 60
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_USE_FINDERS = PROFILE == "test"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if PROFILE == "test"
        else "xfra_portal.static_files.HashedStorage"
    },
}
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "xfra_portal.static_files.PackageFinder",
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = IS_PRODUCTION
# Platforms follow no redirect to what they ask of a site.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^\.well-known/(assetlinks\.json|apple-app-site-association)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_HSTS_SECONDS = 365 * 86400 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_PRODUCTION
SECURE_HSTS_PRELOAD = IS_PRODUCTION
SESSION_COOKIE_SECURE = IS_PRODUCTION
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = IS_PRODUCTION

vars().update(environ.Env.email_url_config(e.EMAIL_URL))
DEFAULT_FROM_EMAIL = e.DEFAULT_FROM_EMAIL

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "xfra_portal.api.authentication.AccessTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["xfra_portal.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "xfra_portal.api.pagination.CursorPagination",
    "EXCEPTION_HANDLER": "xfra_portal.api.problems.problem_response",
    "DEFAULT_THROTTLE_CLASSES": ["xfra_portal.api.throttling.PersonThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "600/min"},
    "NUM_PROXIES": 0,  # who asks is for the server to know, which believes the proxy's header and nobody else's
    "URL_FORMAT_OVERRIDE": None,  # `format=csv` is ours
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "XFRA portal API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "What homeowners and operators see, for programs. Base units; instants in UTC; null is unknown.",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "xfra_portal.api.open_words.open_enumerations",
        "xfra_portal.api.introduction.introduce",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "ENUM_NAME_OVERRIDES": {
        "MessageTypeEnum": ["home", "node", "fleet"],
        "PartyEnum": ["host", "operator"],
        "ProblemTypeEnum": "xfra_portal.api.problems.PROBLEM_TYPES",
        "NodeStateEnum": "xfra_portal.api.states.STATES",
        "NodeCauseEnum": "xfra_portal.api.states.CAUSES",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "xfra": {"level": "INFO"},
        "telemetry": {"level": "INFO"},
        "homes": {"level": "INFO"},
        "billing": {"level": "INFO"},
    },
}

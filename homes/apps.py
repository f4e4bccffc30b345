from django.apps import AppConfig


class HomesConfig(AppConfig):
    name = "homes"

    def ready(self) -> None:
        from homes import access, accounts, app_sessions, passkeys

        access.connect()
        accounts.watch_staff()
        app_sessions.watch_passwords()
        passkeys.watch_origins()

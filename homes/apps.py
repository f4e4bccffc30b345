from django.apps import AppConfig


class HomesConfig(AppConfig):
    name = "homes"

    def ready(self) -> None:
        from homes import access, accounts

        access.connect()
        accounts.watch_staff()

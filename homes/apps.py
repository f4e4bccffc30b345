from django.apps import AppConfig


class HomesConfig(AppConfig):
    name = "homes"

    def ready(self) -> None:
        from homes import access

        access.connect()

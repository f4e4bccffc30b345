from django.urls import path

from xfra_portal.homeowner import money_views, views

_HOME = "homes/<uuid:home_id>/"
_STATEMENT = f"{_HOME}statements/<int:number>/"

urlpatterns = [
    path("", views.start, name="start"),
    path(_HOME, views.home_page, name="home"),
    path(f"{_HOME}electricity/", views.electricity_page, name="home-electricity"),
    path(f"{_HOME}electricity/month/", money_views.month_page, name="home-month"),
    path(f"{_HOME}electricity/month/lines/<int:ordinal>/", money_views.month_line_page, name="home-month-line"),
    path(f"{_HOME}statements/", money_views.statements_page, name="home-statements"),
    path(f"{_HOME}statements.csv", money_views.statements_file, name="home-statements-file"),
    path(_STATEMENT, money_views.statement_page, name="home-statement"),
    path(f"{_STATEMENT}ask/", money_views.ask, name="home-statement-ask"),
    path(f"{_STATEMENT}files/<slug:kind>", money_views.statement_file, name="home-statement-file"),
    path(f"{_STATEMENT}lines/<int:ordinal>/", money_views.statement_line_page, name="home-statement-line"),
    path(f"{_HOME}agreement/", money_views.agreement_page, name="home-agreement"),
    path(f"{_HOME}payouts/", money_views.payouts_page, name="home-payouts"),
    path(f"{_HOME}payouts/years.csv", money_views.years_file, name="home-years-file"),
    path(f"{_HOME}internet/", views.internet_page, name="home-internet"),
    path(f"{_HOME}battery/", views.battery_page, name="home-battery"),
]

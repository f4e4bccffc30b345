from django.urls import path

from xfra_portal.homeowner import views

urlpatterns = [
    path("", views.start, name="start"),
    path("homes/<uuid:home_id>/", views.home_page, name="home"),
    path("homes/<uuid:home_id>/electricity/", views.electricity_page, name="home-electricity"),
    path("homes/<uuid:home_id>/internet/", views.internet_page, name="home-internet"),
    path("homes/<uuid:home_id>/battery/", views.battery_page, name="home-battery"),
]

"""Pages of the shell itself."""

from django.urls import path

from guildhall.portal import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("palette/", views.palette, name="palette"),
]

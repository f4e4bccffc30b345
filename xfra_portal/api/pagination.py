from rest_framework.pagination import CursorPagination as Base


class CursorPagination(Base):
    """Pages that stay right while rows come and go: follow `next` until it is null."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "pk"

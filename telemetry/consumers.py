"""Websockets: one consumer per audience. Snapshot on connect, then the newest whole state at most twice a second.

A socket holds one pending message per subject, so a slow client gets fewer frames and never a queue.
What it may see is asked again every few seconds; when that is withdrawn the socket is closed.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any, ClassVar, Final

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from psycopg_pool import PoolTimeout

from homes.access import acting_as
from homes.models import Home, Node, User
from homes.models.people import OperatorRole
from telemetry import live, payloads, reads

# Less than the shortest interval between scrapes, else a value can wait for most of a second for its turn, each time.
SECONDS_BETWEEN_FRAMES: Final = 0.5
SECONDS_BETWEEN_CHECKS: Final = 4.0
SLOW_CLIENT_SECONDS: Final = 20.0

NOT_SIGNED_IN, WITHDRAWN, NOT_FOUND, TRY_LATER = 4401, 4403, 4404, 1013
CONSOLE_ROLES: Final = (
    OperatorRole.Role.VIEWER,
    OperatorRole.Role.OPERATOR,
    OperatorRole.Role.TECHNICIAN,
    OperatorRole.Role.BILLING,
    OperatorRole.Role.ADMIN,
)


class LiveConsumer(AsyncWebsocketConsumer):
    """What the three have in common. Subclasses say who may watch, which group, and the snapshot."""

    subprotocol: ClassVar[str] = "xfra.v1"

    async def connect(self) -> None:
        self._pending: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        await self.accept(self.subprotocol if self.subprotocol in self.scope.get("subprotocols", []) else None)
        user = self.scope.get("user")
        if not isinstance(user, User):
            await self.close(NOT_SIGNED_IN)
            return
        try:
            group = await self._for_user(self.authorise, user)
        except (DatabaseError, PoolTimeout):
            await self.close(TRY_LATER)
            return
        if group is None:
            await self.close(NOT_FOUND)
            return
        self._group = group
        await self.channel_layer.group_add(group, self.channel_name)
        self._tasks = [asyncio.create_task(self._send_frames(user)), asyncio.create_task(self._check(user))]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._tasks:
            await self.channel_layer.group_discard(self._group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Clients have nothing to say here; what they send is ignored."""

    async def live_state(self, event: dict[str, Any]) -> None:
        self.merge(event["payload"])
        self._news.set()

    def merge(self, payload: dict[str, Any]) -> None:
        """Keep only the newest state."""
        self._pending = payload

    async def _send_frames(self, user: User) -> None:
        try:
            first = await self._for_user(self.snapshot, user)
        except (DatabaseError, PoolTimeout):
            await self.close(TRY_LATER)
            return
        await self._frame(first)
        while True:
            await self._news.wait()
            self._news.clear()
            payload, self._pending = self._pending, {}
            if payload:
                await self._frame(payload)
            await asyncio.sleep(SECONDS_BETWEEN_FRAMES)

    async def _frame(self, payload: Any) -> None:
        try:
            async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                await self.send(json.dumps(payload, separators=(",", ":")))
        except TimeoutError:
            await self.close(TRY_LATER)

    async def _check(self, user: User) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS * random.uniform(0.8, 1.0))  # noqa: S311
            try:
                allowed = await self._for_user(self._still_allowed, user)
            except (DatabaseError, PoolTimeout):
                continue  # not being able to ask is no reason to throw anybody out
            if not allowed:
                await self.close(WITHDRAWN)
                return

    def _still_allowed(self, user: User) -> bool:
        fresh = User.objects.filter(pk=user.pk, is_active=True).first()
        return fresh is not None and self._session_lives() and self.authorise(fresh) == self._group

    def _session_lives(self) -> bool:
        session = self.scope.get("session")
        return session is None or session.session_key is None or session.exists(session.session_key)

    @database_sync_to_async
    def _for_user(self, function: Any, user: User) -> Any:
        with acting_as(user.pk):
            return function(user)

    def authorise(self, user: User) -> str | None:
        """The group to join, or None when this does not exist for this person."""
        raise NotImplementedError

    def snapshot(self, user: User) -> Any:
        """The whole state now."""
        raise NotImplementedError


class HomeConsumer(LiveConsumer):
    """/ws/homes/<uuid>/: HomePayload, for everybody who may see the home."""

    def authorise(self, user: User) -> str | None:
        home = Home.objects.visible_to(user).filter(pk=self.scope["url_route"]["kwargs"]["home_id"]).first()
        return live.home_group(home.pk) if home else None

    def snapshot(self, user: User) -> payloads.HomePayload | dict[str, Any]:
        node = Node.objects.filter(home=self.scope["url_route"]["kwargs"]["home_id"]).first()
        return live.home_payload(node, reads.latest([node.pk])[node.pk]) if node else {}


class NodeConsumer(LiveConsumer):
    """/ws/nodes/<id>/: NodePayload, for the operator's staff who may see the node."""

    def authorise(self, user: User) -> str | None:
        node_id = self.scope["url_route"]["kwargs"]["node_id"]
        if user.operator_role not in CONSOLE_ROLES:
            return None
        return live.node_group(node_id) if Node.objects.visible_to(user).filter(pk=node_id).exists() else None

    def snapshot(self, user: User) -> payloads.NodePayload:
        node_id = self.scope["url_route"]["kwargs"]["node_id"]
        return payloads.node_payload(reads.latest([node_id])[node_id])


class FleetConsumer(LiveConsumer):
    """/ws/fleet/: FleetPayload, for staff who see every node."""

    def authorise(self, user: User) -> str | None:
        role = user.operator_role
        allowed = role in CONSOLE_ROLES and role != OperatorRole.Role.TECHNICIAN
        return live.FLEET_GROUP if allowed else None

    def snapshot(self, user: User) -> payloads.FleetPayload:
        return live.fleet_payload(list(Node.objects.visible_to(user)))

    def merge(self, payload: dict[str, Any]) -> None:
        cells = {cell["node"]: cell for cell in self._pending.get("cells", [])}
        cells.update({cell["node"]: cell for cell in payload["cells"]})
        self._pending = {"type": "fleet", "cells": list(cells.values())}

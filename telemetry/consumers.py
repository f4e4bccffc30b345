"""Websockets: one consumer per audience. Snapshot on connect, then the newest whole state at most three times a second.

A socket holds one pending state per subject, so a slow client gets fewer frames and never a queue.
What it may see is asked again every few seconds (telemetry.watchers); when that is withdrawn the socket is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

import orjson
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from psycopg_pool import PoolTimeout

from homes.access import acting_as
from homes.models import Home, Node, User
from homes.models.people import OperatorRole
from homes.models.places import SEES_EVERY_HOME
from telemetry import live, payloads, reads, watchers

# Less than the shortest interval between scrapes, else a value can wait for most of a second for its turn, each time;
# and of the fleet something is always new, so that there a value does wait as long as this.
SECONDS_BETWEEN_FRAMES: Final = 0.35
SLOW_CLIENT_SECONDS: Final = 20.0
STILL_HERE_SECONDS: Final = 8.0
"""Pages say from ten seconds on that no word has come."""
"""After so long without anything to tell, that is told: a client of a path that died in silence hears nothing else."""
STILL_HERE: Final = b'{"type":"still_here"}'

NOT_SIGNED_IN, WITHDRAWN, NOT_FOUND, TOO_MANY, TRY_LATER, TOO_BIG = 4401, 4403, 4404, 4429, 1013, 1009
MOST_HEARD_BYTES: Final = 4096
"""Of a client's frame: there is nothing to say, and a larger one is no slip."""
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
        self._newest = b""
        self._news = asyncio.Event()
        self._frames: asyncio.Task[None] | None = None
        await self.accept(self.subprotocol if self.subprotocol in self.scope.get("subprotocols", []) else None)
        user, session = self.scope.get("user"), self.scope.get("session")
        if not isinstance(user, User):
            await self.close(NOT_SIGNED_IN)
            return
        user.session = self.session = session
        self.session_key = session and session.session_key
        try:
            group = await self._for_user(self.authorise, user)
        except (DatabaseError, PoolTimeout):
            await self.close(TRY_LATER)
            return
        if group is None:
            await self.close(NOT_FOUND)
            return
        self.group, self.user_id, self.password_mark = group, user.pk, user.get_session_auth_hash()
        if not watchers.join(self):
            await self.close(TOO_MANY)
            return
        await self.channel_layer.group_add(group, self.channel_name)
        self._frames = asyncio.create_task(self._send_frames(user))

    async def disconnect(self, code: int) -> None:
        if self._frames is None:
            return
        watchers.leave(self)
        if self._frames is not asyncio.current_task():
            self._frames.cancel()
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' turn in the one thread of all sockets that precedes each message there.

        It is for database connections, which whoever asks the database here sees to; a state that is only passed on
        would wait there behind everybody's questions.
        """
        await getattr(self, get_handler_name(message))(message)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Clients have nothing to say here; what they send is ignored, unless it is much."""
        if len(bytes_data or (text_data or "").encode()) > MOST_HEARD_BYTES:
            await self.close(TOO_BIG)

    async def live_state(self, event: live.StateMessage) -> None:
        self._newest = event["payload"]
        self._news.set()

    def take(self) -> bytes:
        """What is to be told next, as JSON; from now on it counts as told."""
        newest, self._newest = self._newest, b""
        return newest

    async def _send_frames(self, user: User) -> None:
        try:
            first = await self._for_user(self.snapshot, user)
        except (DatabaseError, PoolTimeout):
            await self.close(TRY_LATER)
            return
        await self._frame(orjson.dumps(first))
        del first, user  # this waits for as long as somebody watches
        while True:
            if told := await self._next():
                await self._frame(told)
            await asyncio.sleep(SECONDS_BETWEEN_FRAMES)

    async def _next(self) -> bytes:
        """What there is to tell, as soon as there is something."""
        try:
            async with asyncio.timeout(STILL_HERE_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return STILL_HERE
        self._news.clear()
        return self.take()

    async def _frame(self, told: bytes) -> None:
        try:
            async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                await self.send(told.decode())
        except TimeoutError:
            await self.close(TRY_LATER)

    async def withdraw(self) -> None:
        await self.close(WITHDRAWN)

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
    """/ws/homes/<uuid>/: HomePayload, or HomeWithoutNodePayload, for everybody who may see the home."""

    def authorise(self, user: User) -> str | None:
        home = Home.objects.visible_to(user).filter(pk=self.scope["url_route"]["kwargs"]["home_id"]).first()
        return live.home_group(home.pk) if home else None

    def snapshot(self, user: User) -> payloads.HomePayload | payloads.HomeWithoutNodePayload:
        home_id = self.scope["url_route"]["kwargs"]["home_id"]
        node = Node.objects.filter(home=home_id).first()
        if node is None:
            return payloads.home_without_node(str(home_id))
        return live.home_payload(node, reads.households([node.pk])[node.pk])


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

    async def connect(self) -> None:
        self._cells: dict[int, bytes] = {}
        await super().connect()

    def authorise(self, user: User) -> str | None:
        return live.FLEET_GROUP if user.operator_role in SEES_EVERY_HOME else None

    def snapshot(self, user: User) -> payloads.FleetPayload:
        return live.fleet_payload(list(Node.objects.visible_to(user)))

    async def live_cells(self, event: live.CellsMessage) -> None:
        self._cells.update(zip(event["nodes"], event["cells"], strict=True))
        self._news.set()

    def take(self) -> bytes:
        cells, self._cells = self._cells, {}
        return b'{"type":"fleet","cells":[%b]}' % b",".join(cells.values()) if cells else b""

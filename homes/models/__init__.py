from homes.models.contacts import OperatorContact
from homes.models.credentials import NodeCredential
from homes.models.equipment import Battery, Gpu, InternetLine, InventoryEvent, Node, WorkOrder
from homes.models.people import OperatorRole, Party, User
from homes.models.places import Home, HomeAddress, Membership
from homes.models.sessions import AppSession

__all__ = [
    "AppSession",
    "Battery",
    "Gpu",
    "Home",
    "HomeAddress",
    "InternetLine",
    "InventoryEvent",
    "Membership",
    "Node",
    "NodeCredential",
    "OperatorContact",
    "OperatorRole",
    "Party",
    "User",
    "WorkOrder",
]

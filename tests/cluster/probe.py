"""Run on a node: how other machines' ports answer without a token, with a wrong one and with the right one.

    python probe.py TOKEN ADDRESS:PORT...

Prints a JSON object: for each address the three answers, each "refused", an HTTP status, or the names of the
gRPC codes that the port's methods give (services that a port does not have are left out).
"""

import http.client
import json
import sys

import grpc

# One method of each of Ray's services, and of the dashboard's agent.
METHODS = (
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
    "/ray.rpc.RayletDriver/ClusterInfo",
    "/ray.rpc.LogService/ListLogs",
)
SECONDS = 10


def answer(address: str, token: str | None) -> str:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        connection.request("GET", "/api/jobs/", headers=headers)
        return str(connection.getresponse().status)
    except ConnectionRefusedError:
        return "refused"
    except http.client.BadStatusLine:  # it speaks HTTP/2
        return " ".join(sorted(_grpc_codes(address, list(headers.items()))))
    finally:
        connection.close()


def _grpc_codes(address: str, metadata: list[tuple[str, str]]) -> set[str]:
    codes = set()
    with grpc.insecure_channel(address) as channel:
        for method in METHODS:
            try:
                channel.unary_unary(method)(b"", timeout=SECONDS, metadata=metadata)
                codes.add("OK")
            except grpc.RpcError as error:
                codes.add(error.code().name)
    return codes - {"UNIMPLEMENTED"}


_, right, *addresses = sys.argv
print(json.dumps({a: [answer(a, token) for token in (None, "wrong", right)] for a in addresses}))

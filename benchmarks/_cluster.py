"""A Ray cluster of two nodes on this machine, that does what ``many`` does elsewhere.

Called with a home, the recipe as JSON, and after how many seconds one node is killed; 0 for none.
Prints one JSON line: how many nodes there were before and after, and the seconds without the
cluster's start.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path
from threading import Timer

# Before Ray is imported: addresses of this machine alone, and nothing is told to anybody.
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "120",  # a machine that does other things as well is slow
}

import ray
from many import make
from ray.cluster_utils import Cluster

from truecast.core.recipe import Recipe

#: What a node's own services listen on: ports that are given are not waited for.
SERVICES = (
    *("metrics_agent_port", "metrics_export_port"),
    *("runtime_env_agent_port", "dashboard_agent_listen_port"),
)


def node() -> dict[str, object]:
    """Return what one node is started with."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in SERVICES]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    small = {"num_cpus": 1, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}
    bare = {"no_monitor": True, "include_log_monitor": False}
    return {**small, **bare, **dict(zip(SERVICES, ports, strict=True))}


def alive() -> int:
    """Count the nodes."""
    return len([one for one in ray.nodes() if one["Alive"]])


def main() -> None:
    home, recipe, after = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    cluster = Cluster(initialize_head=True, head_node_args={**node(), "include_dashboard": False})
    second = cluster.add_node(**node())
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    try:
        before = alive()
        killing = Timer(after, cluster.remove_node, [second], {"allow_graceful": False})
        if after:
            killing.start()
        started = time.perf_counter()
        of = Recipe.model_validate_json(recipe)
        make(home, of, engine="ray", ray_address=cluster.address)
        seconds = time.perf_counter() - started
        if after:
            killing.join()
            # The cluster finds out by itself that a node is gone, some seconds later.
            patience = time.monotonic() + 60
            while alive() == before and time.monotonic() < patience:
                time.sleep(0.1)
        nodes = [before, alive()]
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps({"nodes": nodes, "seconds": seconds}))


if __name__ == "__main__":
    main()

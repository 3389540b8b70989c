"""Walk a recipe forward on a Ray cluster of two nodes of this machine, and kill one on the way.

Called with a home and the recipe as JSON. Prints how many nodes there were before and after.
"""

import json
import os
import sys
import time
from pathlib import Path
from threading import Thread

# Before Ray is imported: addresses of this machine alone, and nothing is told to anybody.
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A machine that does other things as well is slow to start.
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_agent_register_timeout_ms": "300000",
}

import ray
from ray.cluster_utils import Cluster

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.fanout import walk
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}


def main() -> None:
    """Do it."""
    home, recipe = Path(sys.argv[1]), Recipe.model_validate_json(sys.argv[2])
    after = float(sys.argv[3]) if len(sys.argv) > 3 else 3.0
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    second = cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    before = len([one for one in ray.nodes() if one["Alive"]])

    def kill() -> None:
        time.sleep(after)
        cluster.remove_node(second, allow_graceful=False)

    killing = Thread(target=kill)
    killing.start()
    started = time.perf_counter()
    settings = Settings(home=home, engine="ray", ray_address=cluster.address)
    walk(Studies(Workspace(settings), recipe))
    seconds = time.perf_counter() - started
    killing.join()
    nodes = [before, len([one for one in ray.nodes() if one["Alive"]])]
    ray.shutdown()
    cluster.shutdown()
    sys.stdout.write(json.dumps({"nodes": nodes, "seconds": seconds}))


if __name__ == "__main__":
    main()

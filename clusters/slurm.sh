#!/usr/bin/env bash
# A cluster for the time of one Slurm job: sbatch clusters/slurm.sh network_width --seeds 5
# All words go to `study tune`. The same command again continues, also where the time limit ended it: a trial
# then loses what it did since its last checkpoint (--checkpoint-every, 10 s).
#
#SBATCH --job-name=study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
# The first node runs trials too. One core for each of the small trials that share a GPU.
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
# Whole nodes: at its end Ray stops every Ray process of yours on a node, those of your other jobs too.
#SBATCH --exclusive
#
# What it trusts: your home folder, which has the project (docs/cluster.md), the token and the results, is the
# same on all nodes. Other users of the machine reach Ray's ports; without the token they get nothing.
# Ray's traffic is not encrypted.
set -euo pipefail

if [ $# -eq 0 ]; then
  echo "say which study: sbatch clusters/slurm.sh network_width --seeds 5" >&2
  exit 2
fi
token=${RAY_AUTH_TOKEN_PATH:-~/.ray/auth_token}
if [ ! -s "$token" ]; then
  echo "no token in $token: make one with study cluster-token" >&2
  exit 2
fi
if [ ! -O "$token" ] || [ -n "$(find -L "$token" -perm /077)" ]; then
  echo "$token is open to other users, who may run code with it: replace it with study cluster-token --force" >&2
  exit 2
fi

# sbatch runs a copy of this file, in the folder that it was called in.
source .venv/bin/activate
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Ray serves its metrics to everybody who asks, without the token.
export RAY_enable_metrics_collection=0 AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1
# The nodes of a large machine don't start at the same time.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export address=$head:$((20000 + SLURM_JOB_ID % 10000))
export STUDY_STORAGE=${STUDY_STORAGE:-$PWD/results}

# On every node: a new folder for Ray's files, which only you can enter. Ray lets every user of the machine write to
# its own, --temp-dir too, so that lies one level below. What is left over is of a job of yours that was killed.
on_each_node='
  find /tmp -maxdepth 1 -user $UID -name "study-job.*" -exec rm -rf {} +
  RAY_TMPDIR=$(mktemp -d /tmp/study-job.XXXXXXXX)
  export RAY_TMPDIR TMPDIR=$RAY_TMPDIR
  trap "rm -rf $RAY_TMPDIR" EXIT
  trap "kill \$! || true; ray stop --force > /dev/null; exit 143" HUP INT TERM
  ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES" --temp-dir "$RAY_TMPDIR/ray" \
    --num-cpus "${SLURM_CPUS_PER_TASK:-1}" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" \
    -- study tune "$@" --address "$address" &
  wait $!
'
# Ray starts on every node; on the first it then runs the study and stops.
srun --kill-on-bad-exit=1 bash -euc "$on_each_node" study "$@"

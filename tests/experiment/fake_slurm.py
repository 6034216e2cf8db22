"""Slurm's commands as a few lines of shell each: one job, one node, states in a folder.

As Slurm does, it signals all processes of a job together, and repeats a job that was requeued.
"""

from pathlib import Path

_COMMANDS = {
    "sbatch": """
        id=$(($(cat "$SLURM/last" 2>/dev/null || echo 40) + 1))
        echo $id >"$SLURM/last"
        cp "$1" "$SLURM/$id.sh"
        echo PENDING >"$SLURM/$id.state"
        setsid "$SLURM/bin/node" $id </dev/null >/dev/null 2>&1 &
        echo "Submitted batch job $id"
    """,
    "node": """
        export SLURM_JOB_ID=$1 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1
        export SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
        while :; do
            rm -f "$SLURM/$1.requeue"
            echo RUNNING >"$SLURM/$1.state"
            if bash "$SLURM/$1.sh"; then end=COMPLETED; else end=FAILED; fi
            if [ ! -e "$SLURM/$1.requeue" ]; then break; fi
        done
        if [ -e "$SLURM/$1.cancelled" ]; then end=CANCELLED; fi
        echo $end >"$SLURM/$1.state"
    """,
    "srun": """
        while [[ $1 == --* ]]; do
            case $1 in
                --output) out=$2; shift 2 ;;
                --error) err=$2; shift 2 ;;
                *) shift ;;
            esac
        done
        out=${out//%j/$SLURM_JOB_ID}
        err=${err//%j/$SLURM_JOB_ID}
        echo $$ >"$SLURM/$SLURM_JOB_ID.pid"
        exec "$@" >>"${out//%t/0}" 2>>"${err//%t/0}"
    """,
    "sacct": """
        echo "JobID|State|NodeList"
        for state in "$SLURM"/*.state; do
            echo "$(basename "$state" .state)|$(cat "$state")|here"
        done
    """,
    "scontrol": """
        touch "$SLURM/$2.requeue"
    """,
    "scancel": """
        pid=$(cat "$SLURM/$1.pid")
        children=$(pgrep -P $pid)
        if [ "$2" = --signal ]; then
            kill -s ${3#SIG} $pid $children
        else
            touch "$SLURM/$1.cancelled"
            kill -s TERM $pid $children
            sleep 1
            kill -s KILL $pid
        fi
    """,
}


def install(folder: Path) -> Path:
    """Write the commands below a folder, which ``$SLURM`` must name; returns where they are."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, lines in _COMMANDS.items():
        file = programs / name
        file.write_text(f"#!/bin/bash\n{lines}")
        file.chmod(0o755)
    return programs

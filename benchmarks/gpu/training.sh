# shellcheck shell=sh disable=SC2154 # run.sh sets the variables, and reads this file
# The training of run.sh: CIFAR-10 by goclr in bf16 and fp32, and by PyTorch in bf16, from the same first weights on the same batches.

at() { # run: the step of its latest checkpoint
    latest=$(readlink "$out/runs/$1/latest") || latest=step-0
    echo "${latest##*step-}"
}

# turn runs a command for so many seconds, and adds what it took to those of the run. What a signal ends has saved a checkpoint.
turn() { # run, seconds, command
    run=$1 seconds=$2
    shift 2
    start=$(date +%s)
    timeout -s INT -k 20 "$seconds" "$@" >&2
    status=$?
    echo $(($(date +%s) - start)) >>"$out/runs/$run.seconds"
    case $status in
    0 | 124) ;;
    137) printf '%s did not stop within 20 s, as while it compiles: it goes on from its last checkpoint.\n\n' "$run" ;;
    *) echo "$run: status $status" >&2; return 1 ;;
    esac
}

goclr() { # run, seconds, precision, steps
    # shellcheck disable=SC2086 # several words
    turn "$1" "$2" bin/pretrain -resume -data train -out "$out/runs/$1" -keep 1000000 -checkpoint-every $((epoch * checkpoint_epochs)) \
        $network $on -precision "$3" -max-steps "$4"
}

in_torch() { # seconds
    [ -d "$out/runs/bf16/checkpoints/step-0" ] || return # whose weights and batches it takes
    # shellcheck disable=SC2016,SC2086 # sh expands these; several words
    turn torch "$1" sh -c '
        first=$1 from=$2 steps=$3
        shift 3
        bin/stream -raw -data train -run "$first" -from "$from" -steps "$steps" | "$@"' sh \
        "$out/runs/bf16/checkpoints/step-0" "$(at torch)" "$all" \
        $python peers/torch_train.py --first "$out/runs/bf16/checkpoints/step-0" --out "$out/runs/torch" --steps "$all" \
        ${TORCH_FLAGS:---device cuda --precision bf16 --compile}
}

# score prints the accuracies of checkpoints to a file of the subject. Those for which no time is left are for the next time.
score() { # subject, images to go by, file, further flags and checkpoints
    whose=$1 among=$2 file=$3
    shift 3
    seconds=$((deadline - $(date +%s)))
    [ "$seconds" -gt 0 ] || { echo "no time was left to score $whose" >&2; return 0; }
    # shellcheck disable=SC2086 # several words
    timeout -k 5 "$seconds" bin/score $on -train train -test test -limit "$among" "$@" >>"$out/$file-$whose.jsonl"
    status=$?
    [ "$status" -ne 124 ] || { echo "no time was left to score all of $whose" >&2; return 0; }
    return "$status"
}

# final scores a checkpoint by all images, of those that have it and have not been scored there.
final() { # step
    jobs=
    for subject in bf16 torch; do
        checkpoint=$out/runs/$subject/checkpoints/step-$1
        [ -d "$checkpoint" ] || continue
        ! grep -q "\"step\":$1," "$out/final-$subject.jsonl" 2>/dev/null || continue
        score "$subject" 0 final "$checkpoint" &
        jobs="$jobs $!"
    done
    for job in $jobs; do
        wait "$job" || return
    done
}

training() {
    end=$deadline wrong=0 sum=0 unfinished=0
    for subject in $train; do sum=$((sum + ${subject##*:})); done
    for subject in $train; do
        share=${subject##*:} subject=${subject%:*} goal=$all
        seconds=$(((end - ${SCORE_SECONDS:-100} - $(date +%s)) * share / sum)) sum=$((sum - share))
        [ "$subject" != fp32 ] || goal=$((epoch * fp32_epochs))
        [ ! -e "$out/runs/$subject.complete" ] || continue
        if [ "$seconds" -ge 20 ]; then
            echo "training $subject: at most $seconds s, from step $(at "$subject") of $goal" >&2
            case $subject in
            bf16 | fp32) goclr "$subject" "$seconds" "$subject" "$goal" || wrong=1 ;;
            torch) in_torch "$seconds" || wrong=1 ;;
            *) echo "TRAIN: no subject $subject: choose of bf16, torch and fp32" >&2; return 1 ;;
            esac
        fi
        if [ "$(at "$subject")" -ge "$goal" ]; then
            touch "$out/runs/$subject.complete"
        else
            unfinished=1
            printf '%s is at step %s of %s: run again with the same directory to go on.\n\n' "$subject" "$(at "$subject")" "$goal"
        fi
    done
    if [ -e "$out/runs/bf16/latest" ]; then
        train_report || return
    fi
    [ "$wrong" -eq 0 ] || return
    [ "$unfinished" -ne 0 ] || ! grep -q "\"step\":$all," "$out/final-bf16.jsonl" || touch "$out/training.complete"
}

train_report() {
    begun='' runs=''
    for subject in bf16 torch fp32; do
        [ -e "$out/runs/$subject/latest" ] || continue
        begun="$begun $subject" runs="$runs $out/runs/$subject"
        # shellcheck disable=SC2046 # several words
        set -- $($python summary.py unscored "$out/scores-$subject.jsonl" "$score_epochs" "$out/runs/$subject")
        [ $# -eq 0 ] || score "$subject" 10000 scores -linear=false "$@" || return
    done
    printf '    bin/pretrain -resume -data train %s\n\n' "$network $on -precision bf16"
    # shellcheck disable=SC2086 # several words
    $python summary.py training $runs || return
    echo
    # shellcheck disable=SC2086 # several words
    $python summary.py losses $runs || return
    set --
    for subject in $begun; do
        case $subject in
        torch) title="PyTorch" ;;
        *) title="goclr $subject" ;;
        esac
        set -- "$@" "$title" "$out/runs/$subject" "$out/scores-$subject.jsonl"
    done
    $python curves.py "$out/curves.svg" "$@" || return
    printf 'Losses, and kNN among 10,000 training images:\n\n![losses and kNN over epochs](curves.svg)\n\n'
    # shellcheck disable=SC2086 # several words
    equal=$($python summary.py equal ${runs%" $out/runs/fp32"}) || return
    [ "$equal" -eq 0 ] || final "$equal" || return
    [ "$(at bf16)" -lt "$all" ] || final "$all" || return
    [ -f "$out/final-bf16.jsonl" ] || return 0
    printf 'All training images, by bin/score %s, which is what evaluate knn and evaluate linear do:\n\n' "$on"
    $python summary.py verdict "$all" "$out/final-bf16.jsonl" "$out/final-torch.jsonl"
}

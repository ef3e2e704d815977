# bash completion for virt-replicate                                   -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands and options are the program's own; images, regions, jobs, pools and keys are asked for live, over the
# connection that is named on the command line.

_virt_replicate_words()
{
    virt-replicate "${connect[@]}" _complete "$@" 2>/dev/null
}

# What kind of words an option, or an argument of a command, takes.
_virt_replicate_kind()
{
    case $1 in
    --to | -t | --region) [[ $command == export ]] && echo pools || echo regions ;;
    --encrypt | -e) echo keys ;;
    --pool) echo pools ;;
    --member) echo images ;;
    --file | --output | -f | -o) echo files ;;
    -*) echo none ;;
    label) echo pools ;;
    peer) [[ $subcommand == test ]] && echo pools || echo 'words add test' ;;
    images) echo regions ;;
    watch | start | cancel | pause | resume | retry) echo jobs ;;
    sync) echo files ;;
    keys) case $subcommand in bind) ((position == 1)) && echo images || echo keys ;; create) echo none ;; *) echo 'words list create bind' ;; esac ;;
    share | revoke) ((position == 0)) && echo images || echo none ;;
    show | plan | copy | chain | set | delete | verify | heal | accept | reject | export) echo images ;;
    *) echo none ;;
    esac
}

_virt_replicate()
{
    local cur prev words cword split command='' subcommand='' position=0 i kind
    local -a connect=()
    if declare -F _init_completion >/dev/null; then
        _init_completion -n : || return
    else
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -c | --connect) connect=(-c "${words[++i]}") ;;
        --connect=*) connect=("${words[i]}") ;;
        -t | --to | -n | --name | -e | --encrypt | --description | --format | --limit | --token | --rekey | --width | \
            --max-images | --pool | --member | --type | --project | -p | --quota-images | --quota-snapshots | --quota-bytes | \
            --file | -f | --output | -o | --allow-delete | --have | --region) ((i++)) ;;
        -*) ;;
        *)
            if [[ -z $command ]]; then
                command=${words[i]}
            else
                [[ -z $subcommand ]] && subcommand=${words[i]} || ((position++))
            fi
            ;;
        esac
    done
    case $command in
    keys | peer) [[ -n $subcommand ]] && ((position++)) ;;
    *) [[ -n $subcommand ]] && ((position++)) ;;
    esac

    case $prev in
    -c | --connect) return ;;
    --type) COMPREPLY=($(compgen -W 'system-disk data-disk iso full-machine' -- "$cur")) && return ;;
    --rekey) COMPREPLY=($(compgen -W 'full slot' -- "$cur")) && return ;;
    --format) COMPREPLY=($(compgen -W 'qcow2 raw' -- "$cur")) && return ;;
    esac
    if [[ -z $command ]]; then
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W '--connect --readonly --quiet --json --no-color --ascii --width --version --help' -- "$cur"))
        else
            mapfile -t COMPREPLY < <(_virt_replicate_words commands "$cur")
        fi
        return
    fi
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(_virt_replicate_words options "$cur" "$command"
            compgen -W '--connect --readonly --quiet --json --no-color --ascii --width --help' -- "$cur")
        return
    fi
    kind=none
    [[ $prev == -* && $prev != --yes && $prev != -y ]] && kind=$(_virt_replicate_kind "$prev")
    [[ $kind == none ]] && kind=$(_virt_replicate_kind "$command")
    case $kind in
    none) ;;
    files) COMPREPLY=($(compgen -f -- "$cur")) ;;
    words*) COMPREPLY=($(compgen -W "${kind#words }" -- "$cur")) ;;
    *)
        mapfile -t COMPREPLY < <(_virt_replicate_words "$kind" "$cur")
        [[ $kind == keys && $prev == -* ]] && COMPREPLY+=($(compgen -W 'default none keep' -- "$cur"))
        declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
        ;;
    esac
}

complete -F _virt_replicate virt-replicate

# SPDX-License-Identifier: Apache-2.0
# bash completion for portshunt

_portshunt() {
	local cur prev words cword i command=
	local both="--publish --network --slirp4netns --no-pivot-root --tmpdir --id --datapath
		--child-ip --udp-timeout --udp-timeout-stream --udp-sessions --limit --rule-limit --rule-datapath --freebind --control --ready-fd --exit-fd --log-level --log-json --help"

	_init_completion -n =: || return
	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		run | attach | add | remove | list | stats | reload | doctor)
			command=${words[i]}
			break
			;;
		esac
	done

	case $prev in
	--limit) COMPREPLY=($(compgen -W "connections= connect-rate= half-open= udp-sessions=" -- "$cur")) && return ;;
	--rule-limit) COMPREPLY=($(compgen -W "connections= connect-rate= half-open= udp-sessions= idle-timeout=" -- "$cur")) && return ;;
	--datapath | --rule-datapath) COMPREPLY=($(compgen -W "auto shunt sockmap splice" -- "$cur")) && return ;;
	--log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$cur")) && return ;;
	--network) COMPREPLY=($(compgen -W "none slirp4netns" -- "$cur")) && return ;;
	--netns | --slirp4netns | --control | --take-over) _filedir && return ;;
	--tmpdir) _filedir -d && return ;;
	--pid) _pids && return ;;
	-p | --publish | --id | --child-ip | --udp-* | --ready-fd | --exit-fd | --host-port | --timeout | --drain-timeout) return ;;
	esac

	case $command in
	'') COMPREPLY=($(compgen -W "run attach add remove list stats reload doctor --help --version" -- "$cur")) ;;
	attach) COMPREPLY=($(compgen -W "--netns --pid --take-over --drain-timeout $both" -- "$cur")) ;;
	reload) COMPREPLY=($(compgen -W "--control --podman --json --help" -- "$cur")) ;;
	add) COMPREPLY=($(compgen -W "--control --rule-limit --rule-datapath --freebind --json --help" -- "$cur")) ;;
	list) COMPREPLY=($(compgen -W "--control --json --help" -- "$cur")) ;;
	remove) COMPREPLY=($(compgen -W "--control --json --id --host-port --drain --timeout --help" -- "$cur")) ;;
	stats) COMPREPLY=($(compgen -W "--control --json --id --connections --help" -- "$cur")) ;;
	doctor) COMPREPLY=($(compgen -W "--json --help" -- "$cur")) ;;
	run)
		# What follows the options is a command of its own.
		for ((i++; i < cword; i++)); do
			case ${words[i]} in
			--) ((i++)) && break ;;
			-p | --publish | --network | --slirp4netns | --tmpdir | --id | --datapath | \
				--child-ip | --control | --udp-* | --limit | --rule-limit | --rule-datapath | --ready-fd | --exit-fd | --log-level) ((i++)) ;;
			-*) ;;
			*) break ;;
			esac
		done
		if [ "$i" -lt "$cword" ] || [ "${words[i - 1]}" = -- ] || [[ $cur != -* ]]; then
			_command_offset "$i"
		else
			COMPREPLY=($(compgen -W "--control-from-command $both" -- "$cur"))
		fi
		;;
	esac
} && complete -F _portshunt portshunt

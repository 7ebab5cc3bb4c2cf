# What the helpers of PostgreSQL have in common (src/shipping/serve-requests.ts): a process in the background, the attendant, holds the
# connection to the backup host and answers the scripts through two named pipes in the folder $spool.

# Whether the process lives that says so; its id may be that of another process by now: what follows the name is its state, and later its start.
is_attended() {
	[ -O "$spool" ] && [ ! -L "$spool" ] && read -r pid since place <"$spool/attendant" && [ -n "$since" ] && read -r stat <"/proc/$pid/stat" || return 1
	set -- ${stat##*) }
	state=$1
	[ "$state" != Z ] && [ "${20}" = "$since" ]
}

# Whether somebody has stopped it (SIGSTOP), so that it answers nobody.
is_stopped() {
	is_attended || return 1
	case $state in [Tt]) ;; *) return 1 ;; esac
}

# Answers in place of an attendant that is stopped, or has not answered for five minutes: the script then does the work by itself. The
# attendant gives up a connection in which nothing moves after two.
answer_in_its_place() {
	trap 'kill $!; exit' TERM
	left=300
	until is_stopped || [ "$left" -eq 0 ]; do
		sleep 1 &
		wait $!
		[ -d "/proc/$$" ] || exit # the script was killed
		left=$((left - 1))
	done
	[ ! -p "$spool/answers" ] || echo "$$ alone" 1<>"$spool/answers"
}

# ask_attendant SCRIPT REQUEST ARGUMENTS...: sets said and rest to the answer, after starting the attendant with SCRIPT where there is none.
# Both pipes are opened in both directions first, so that neither waits for the other side. Then only the attendant holds the end that
# answers are written to: when it is gone, however it ended, we read the end of the pipe.
ask_attendant() {
	script=$1 request=$2 started=
	shift 2
	[ -f postmaster.pid ] || return 1 # without a running server nobody asks for what follows
	[ -d "$spool" ] || mkdir -p -m 700 "$spool" || return 1
	[ -O "$spool" ] && [ ! -L "$spool" ] || return 1
	! is_stopped || return 1
	[ -p "$spool/requests" ] || mkfifo -m 600 "$spool/requests" || return 1
	[ -p "$spool/answers" ] || mkfifo -m 600 "$spool/answers" || return 1
	command exec 9>"$spool/asking" && flock -n 9 || return 1 # another one who asks at the same time goes alone
	for try in 1 2; do
		command exec 3<>"$spool/requests" 4<>"$spool/answers" 5<"$spool/answers" || return 1
		if ! is_attended; then
			started=yes
			PGCELLAR_ATTEND=$spool setsid -f node "$script" "$@" </dev/null >/dev/null 2>&1 5<&- 9>&- || return 1
		fi
		exec 4>&-
		echo "$$ $request" >&3
		exec 3>&-
		answer_in_its_place </dev/null >/dev/null 2>&1 5<&- 9>&- &
		watcher=$!
		while read -r id said rest <&5; do
			[ "$id" != $$ ] || break # another one is that of a script that was killed before it read its answer
			id=
		done
		kill $watcher
		[ -z "$id" ] || return 0
		[ -z "$started" ] || return 1
	done
	return 1
}

# Sets spool: find_spool PARENT PREFIX KEY
find_spool() {
	read -r boot </proc/sys/kernel/random/boot_id || return 1
	folder=$1 name=$2${boot%%-*} rest=+$3
	while [ "$rest" != "${rest#*/}" ]; do
		name=$name${rest%%/*}+
		rest=${rest#*/}
	done
	name=$name$rest
	[ ${#name} -le 200 ] && spool=$folder/$name
}

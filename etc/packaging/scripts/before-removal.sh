stopped=
stop_receivers
if [ -n "$stopped" ]; then
	echo "pgcellar: the replication slots of$stopped stay on their servers and keep WAL there: install pgcellar again, or drop them"
fi

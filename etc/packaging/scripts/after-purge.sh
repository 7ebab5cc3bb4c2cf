# Configuration and logs go; backups, the servers' files and the user that owns the backups stay.
rm -rf /var/log/pgcellar /run/pgcellar
rm -f /etc/pgcellar/pgcellar.conf
echo "pgcellar: these stay, and are yours to remove:"
if [ -d /var/lib/pgcellar ]; then
	echo "  /var/lib/pgcellar: $(du -sh /var/lib/pgcellar 2>/dev/null | cut -f 1) of backups and WAL"
fi
if [ -n "$(ls -A /etc/pgcellar/conf.d 2>/dev/null)" ]; then
	echo "  /etc/pgcellar/conf.d: the files of the servers"
fi
if getent passwd pgcellar >/dev/null; then echo "  the user pgcellar"; fi

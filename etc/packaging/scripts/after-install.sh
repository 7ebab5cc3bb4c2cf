# Shared by Debian packages and RPMs: makes the user, the folders and a first configuration. Nothing that is there is changed.
if ! getent passwd pgcellar >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/pgcellar --no-create-home --shell /bin/bash \
		--comment "pgcellar, backups of PostgreSQL" pgcellar
fi
make_folder() { # PATH GROUP MODE
	if [ ! -e "$1" ]; then
		mkdir -p "$1"
		chown "pgcellar:$2" "$1"
		chmod "$3" "$1"
	fi
}
logs=pgcellar
if getent group adm >/dev/null; then logs=adm; fi
make_folder /var/lib/pgcellar pgcellar 0750
make_folder /var/log/pgcellar "$logs" 0750
if [ "$(stat -c %U:%G /etc/pgcellar/conf.d)" = root:root ]; then
	chown root:pgcellar /etc/pgcellar/conf.d
	chmod 0770 /etc/pgcellar/conf.d # init and config-update write servers there, as the user pgcellar
fi
# a host that runs Barman keeps its configuration, which pgcellar reads
has_configuration=
for path in /etc/pgcellar/pgcellar.conf /etc/pgcellar.conf /etc/barman.conf /etc/barman/barman.conf; do
	if [ -e "$path" ]; then has_configuration=1; fi
done
if [ -z "$has_configuration" ]; then
	cp /usr/share/pgcellar/pgcellar.conf /etc/pgcellar/pgcellar.conf
	chown root:pgcellar /etc/pgcellar/pgcellar.conf
	chmod 0640 /etc/pgcellar/pgcellar.conf
fi
if [ -d /run/systemd/system ]; then
	systemd-tmpfiles --create pgcellar.conf || true
else
	make_folder /run/pgcellar pgcellar 0750
fi

// Debian packages, by dpkg-deb.
import { createHash } from 'node:crypto';
import { cpSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { maintainer, words } from './lay-packages.mjs';
import { pathsBelow, run, settle, write } from './surroundings.mjs';

const unit = 'pgcellar-cron.timer';
const script = (name) => readFileSync(new URL(`scripts/${name}.sh`, import.meta.url), 'utf8');

const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
${script('after-install')}
	# a host with Barman's configuration alone gets its maintenance by adopt-barman
	has_own=
	if [ -e /etc/pgcellar/pgcellar.conf ] || [ -e /etc/pgcellar.conf ]; then has_own=1; fi
	if [ -n "$has_own" ] && command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper unmask ${unit} >/dev/null || true
		if deb-systemd-helper --quiet was-enabled ${unit}; then
			deb-systemd-helper enable ${unit} >/dev/null || true
		else
			deb-systemd-helper update-state ${unit} >/dev/null || true
		fi
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$has_own" ]; then deb-systemd-invoke start ${unit} >/dev/null || true; fi
		deb-systemd-invoke try-restart pgcellar.service >/dev/null || true
	fi
	if [ -n "$2" ]; then
${script('receivers')}${script('restart-receivers')}
	fi
fi
`;
const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ]; then
	if [ -d /run/systemd/system ]; then
		deb-systemd-invoke stop ${unit} pgcellar.service >/dev/null || true
	fi
${script('receivers')}${script('before-removal')}
fi
`;
const postrm = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper purge ${unit} >/dev/null || true
		deb-systemd-helper unmask ${unit} >/dev/null || true
	fi
${script('after-purge')}
fi
`;

const packages = {
  pgcellar: ({ runtime }) => ({
    version: undefined,
    architecture: 'all',
    fields: {
      Depends: `pgcellar-runtime (>= ${runtime.version}), passwd`,
      Recommends: 'postgresql-client, openssh-client, rsync, logrotate, cron | systemd',
      Suggests: 'pgcellar-compat, gnupg, zstd, lz4, xz-utils, bzip2, pigz',
    },
    scripts: { postinst, prerm, postrm },
    conffiles: ['/etc/cron.d/pgcellar', '/etc/logrotate.d/pgcellar'],
  }),
  'pgcellar-runtime': ({ runtime }) => ({
    version: runtime.version,
    architecture: 'amd64',
    fields: { Depends: 'libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 8)' },
  }),
  'pgcellar-compat': ({ version }) => ({
    architecture: 'all',
    fields: {
      Depends: `pgcellar (>= ${version})`,
      Suggests: 'python3-barman, python3-boto3',
      Conflicts: 'barman, barman-cli, barman-cli-cloud',
      Replaces: 'barman, barman-cli, barman-cli-cloud',
    },
  }),
};

export function makeDebianPackages(order, { root }) {
  for (const [name, describe] of Object.entries(packages)) {
    const tree = join(order.scratch, 'deb', name);
    mkdirSync(join(order.scratch, 'deb'), { recursive: true });
    cpSync(root(name), tree, { recursive: true, verbatimSymlinks: true });
    makeOne(order, name, tree, describe(order));
  }
}

function makeOne(order, name, tree, { version = order.version, architecture, fields, scripts = {}, conffiles = [] }) {
  const { time, into, isQuick } = order;
  layOverrides(name, tree);
  const files = pathsBelow(tree).filter((path) => !lstatSync(join(tree, path)).isDirectory());
  const isPlain = (path) => lstatSync(join(tree, path)).isFile();
  const sizeKib = files.reduce((sum, path) => sum + (isPlain(path) ? Math.ceil(statSync(join(tree, path)).size / 1024) : 1), 0);
  const control = {
    Package: name,
    Source: 'pgcellar' === name || version === order.version ? 'pgcellar' : `pgcellar (${order.version})`,
    Version: version,
    Architecture: architecture,
    Maintainer: maintainer,
    'Installed-Size': sizeKib,
    ...fields,
    Section: 'database',
    Priority: 'optional',
    Description: [words[name].summary, ...words[name].description].join('\n '),
  };
  if (control.Source === name) delete control.Source;
  const folder = join(tree, 'DEBIAN');
  write(
    join(folder, 'control'),
    Object.entries(control)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  if (conffiles.length > 0) write(join(folder, 'conffiles'), conffiles.map((path) => `${path}\n`).join(''));
  for (const [script, text] of Object.entries(scripts)) write(join(folder, script), text, 0o755);
  const sums = files
    .filter((path) => isPlain(path) && !conffiles.includes(`/${path}`))
    .map((path) => `${md5(join(tree, path))}  ${path}\n`);
  write(join(folder, 'md5sums'), sums.join(''));
  settle(tree, time);
  const compression = isQuick ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6'];
  run(
    [
      'dpkg-deb',
      '--root-owner-group',
      '--threads-max=1',
      ...compression,
      '--build',
      tree,
      join(into, `${name}_${version}_${architecture}.deb`),
    ],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
    },
  );
}

/** Words of lintian that are not to be followed, each with its reason. */
function layOverrides(name, tree) {
  const path = new URL(`${name}.lintian-overrides`, import.meta.url);
  try {
    write(join(tree, 'usr/share/lintian/overrides', name), readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function md5(path) {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}

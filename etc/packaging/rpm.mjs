// RPMs, by rpmbuild, of the same trees.
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { words } from './lay-packages.mjs';
import { pathsBelow, run, write } from './surroundings.mjs';

const script = (name) => readFileSync(new URL(`scripts/${name}.sh`, import.meta.url), 'utf8');

const scriptlets = `%post
${script('after-install')}
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null 2>&1 || true
	if [ "$1" = 1 ] && [ -e /etc/pgcellar/pgcellar.conf ]; then systemctl enable --now pgcellar-cron.timer >/dev/null 2>&1 || true; fi
	systemctl try-restart pgcellar.service >/dev/null 2>&1 || true
fi
if [ "$1" -gt 1 ]; then
${script('receivers')}${script('restart-receivers')}
fi

%preun
if [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl disable --now pgcellar-cron.timer pgcellar.service >/dev/null 2>&1 || true
	fi
${script('receivers')}${script('before-removal')}
fi

%postun
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload >/dev/null 2>&1 || true; fi
`;

const packages = {
  pgcellar: ({ runtime }) => ({
    architecture: 'noarch',
    tags: [
      `Requires: pgcellar-runtime >= ${runtime.version}, util-linux, shadow-utils`,
      'Requires(post): shadow-utils, coreutils',
      'Recommends: postgresql, openssh-clients, rsync, logrotate',
    ],
    scriptlets,
  }),
  'pgcellar-runtime': ({ runtime }) => ({
    version: runtime.version,
    architecture: 'x86_64',
    tags: ['License: MIT'],
    scriptlets: '',
  }),
  'pgcellar-compat': ({ version }) => ({
    architecture: 'noarch',
    tags: [`Requires: pgcellar >= ${version}`, 'Conflicts: barman, barman-cli, barman-cli-cloud'],
    scriptlets: '',
  }),
};

export function makeRpms(order, { root }) {
  for (const [name, describe] of Object.entries(packages)) makeOne(order, name, root(name), describe(order));
}

function makeOne(order, name, source, { version = order.version, architecture, tags, scriptlets }) {
  const { scratch, into, time, isQuick } = order;
  const top = join(scratch, 'rpm', name);
  const tree = join(top, 'tree');
  mkdirSync(top, { recursive: true });
  cpSync(source, tree, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  moveZshCompletion(tree);
  const spec = [
    `Name: ${name}`,
    `Version: ${version}`,
    'Release: 1',
    `Summary: ${words[name].summary}`,
    ...(tags.some((tag) => tag.startsWith('License:')) ? [] : ['License: PostgreSQL']),
    `BuildArch: ${architecture}`,
    'AutoReqProv: no',
    ...tags,
    '',
    '%description',
    ...words[name].description,
    '',
    scriptlets.replaceAll('%U:%G', '%%U:%%G').replaceAll('+%', '+%%'),
    '%files',
    '%defattr(-,root,root,-)',
    ...filesOf(tree),
    '',
  ].join('\n');
  write(join(top, 'package.spec'), spec);
  const settings = {
    _topdir: top,
    _rpmdir: into,
    _rpmfilename: '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm',
    _buildhost: 'localhost',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    _binary_payload: isQuick ? 'w1.gzdio' : 'w6.xzdio',
    _build_id_links: 'none',
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
    buildroot: tree,
  };
  const defined = Object.entries(settings).flatMap(([key, value]) => ['--define', `${key} ${value}`]);
  run(
    [
      'rpmbuild',
      '--quiet',
      '-bb',
      '--noclean',
      '--target',
      architecture,
      '--buildroot',
      tree,
      ...defined,
      join(top, 'package.spec'),
    ],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(time), HOME: top },
    },
  );
}

/** Every file and the folders that are ours alone. */
function filesOf(tree) {
  const isOurs = (path) => path.split('/').some((part) => part.startsWith('pgcellar'));
  return pathsBelow(tree).flatMap((path) => {
    if (lstatSync(join(tree, path)).isDirectory()) return isOurs(path) ? [`%dir "/${path}"`] : [];
    return [`${path.startsWith('etc/') ? '%config(noreplace) ' : ''}"/${path}"`];
  });
}

/** The folder that zsh of the RPM distributions reads. */
function moveZshCompletion(tree) {
  const from = join(tree, 'usr/share/zsh/vendor-completions');
  if (!existsSync(from)) return;
  const to = join(tree, 'usr/share/zsh/site-functions');
  mkdirSync(dirname(to), { recursive: true });
  renameSync(from, to);
  if (readdirSync(to).length === 0) throw new Error(`${to} is empty`);
}

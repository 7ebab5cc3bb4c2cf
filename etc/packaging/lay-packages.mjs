// Lays each package as a tree of files from the root of a system; Debian packages and RPMs are both made from these.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { layProgram, licencesOf } from './lay-program.mjs';
import { packageOf, repository, run, settle, write } from './surroundings.mjs';

const node = '/usr/lib/pgcellar-runtime/bin/node';
const shells = ['bash', 'zsh', 'fish'];

/** The trees, by the name of the package, with each one's words. */
export function layPackages(order) {
  const root = (name) => join(order.scratch, 'roots', name);
  const manuals = renderManuals(order);
  layMain(root('pgcellar'), order, manuals);
  layRuntime(root('pgcellar-runtime'), order);
  layCompat(root('pgcellar-compat'), order);
  for (const name of ['pgcellar', 'pgcellar-runtime', 'pgcellar-compat']) settle(root(name), order.time);
  return { root, manuals };
}

function renderManuals({ scratch, time }) {
  const folder = join(scratch, 'man');
  run([process.execPath, '--import', 'tsx', join(repository, 'docs', 'build-man.ts'), folder], {
    cwd: repository,
    env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
  });
  return folder;
}

function layMain(root, order, manuals) {
  const lib = join(root, 'usr', 'lib', 'pgcellar');
  layProgram(lib, order, { shebang: `#!${node}\n`, nodeInShell: node });
  for (const name of programs()) link(root, `/usr/bin/${name}`, `/usr/lib/pgcellar/bin/${name}`);
  layManuals(root, manuals);
  layCompletion(root, lib, order, 'pgcellar');
  for (const unit of readdirSync(etc('systemd')))
    write(join(root, 'usr/lib/systemd/system', unit), placed(etc('systemd', unit)));
  write(join(root, 'usr/lib/sysusers.d/pgcellar.conf'), placed(etc('pgcellar.sysusers')));
  write(join(root, 'usr/lib/tmpfiles.d/pgcellar.conf'), placed(etc('pgcellar.tmpfiles')));
  for (const rule of readdirSync(etc('polkit')))
    write(join(root, 'usr/share/polkit-1/rules.d', rule), placed(etc('polkit', rule)));
  write(join(root, 'etc/logrotate.d/pgcellar'), placed(etc('pgcellar.logrotate')));
  write(join(root, 'etc/cron.d/pgcellar'), placed(etc('pgcellar.cron')));
  mkdirSync(join(root, 'etc/pgcellar/conf.d'), { recursive: true });
  write(join(root, 'usr/share/pgcellar/pgcellar.conf'), placed(etc('pgcellar.conf')));
  for (const file of readdirSync(etc('servers')))
    write(join(root, 'usr/share/pgcellar/servers', file), placed(etc('servers', file)));
  const doc = join(root, 'usr/share/doc/pgcellar');
  for (const file of ['README.md', 'SECURITY.md']) write(join(doc, file), readFileSync(join(repository, file)));
  layDocs(join(doc, 'docs'));
  write(join(doc, 'copyright'), copyrightOf(ownLicence(), licencesOf(lib)));
  layChangelog(doc, order);
}

/** The pages of docs for whoever runs it, with the schemas; not what is made from them, and not the reference for developers. */
export function layDocs(folder) {
  const source = join(repository, 'docs');
  for (const file of readdirSync(source)) if (file.endsWith('.md')) write(join(folder, file), readFileSync(join(source, file)));
  cpSync(join(source, 'schemas'), join(folder, 'schemas'), { recursive: true });
}

function layRuntime(root, order) {
  const { runtime } = order;
  mkdirSync(join(root, dirname(node)), { recursive: true });
  cpSync(runtime.node, join(root, node));
  const doc = join(root, 'usr/share/doc/pgcellar-runtime');
  const text = readFileSync(join(runtime.folder, 'LICENSE'), 'utf8');
  write(
    join(doc, 'copyright'),
    copyrightOf(ownLicence(), [{ name: 'Node.js', version: runtime.version, license: 'MIT', text }]),
  );
  layChangelog(doc, order);
}

/** What Barman's package for object stores brings. */
const cloudNames = [
  'backup',
  'backup-delete',
  'backup-keep',
  'backup-list',
  'backup-show',
  'check-wal-archive',
  'restore',
  'wal-archive',
  'wal-restore',
].map((part) => `barman-cloud-${part}`);

const compat = (name) => new URL(`compat/${name}`, import.meta.url);

/** The names of Barman: for each program of ours, and for those that run Barman's own. */
function layCompat(root, order) {
  for (const name of programs()) {
    const theirs = name.replace(/^pgcellar/, 'barman');
    link(root, `/usr/bin/${theirs}`, `/usr/lib/pgcellar/bin/${name}`);
    link(root, `/usr/share/man/man1/${theirs}.1.gz`, `/usr/share/man/man1/${name}.1.gz`);
  }
  const cloud = '/usr/lib/pgcellar-compat/barman-cloud';
  write(join(root, cloud), readFileSync(compat('barman-cloud')), 0o755);
  const manual = '/usr/share/man/man1/barman-cloud.1';
  write(join(root, manual), readFileSync(compat('barman-cloud.1')));
  run(['gzip', '-9n', join(root, manual)]);
  for (const name of cloudNames) {
    link(root, `/usr/bin/${name}`, cloud);
    link(root, `/usr/share/man/man1/${name}.1.gz`, `${manual}.gz`);
  }
  layCompletion(root, join(order.scratch, 'roots', 'pgcellar', 'usr', 'lib', 'pgcellar'), order, 'barman');
  const doc = join(root, 'usr/share/doc/pgcellar-compat');
  write(join(doc, 'copyright'), copyrightOf(ownLicence(), []));
  layChangelog(doc, order);
}

function programs() {
  return Object.keys(packageOf(repository).bin);
}

function link(root, path, target) {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  symlinkSync(relative(dirname(path), target), join(root, path));
}

function layManuals(root, manuals) {
  for (const name of readdirSync(manuals)) {
    const folder = join(root, 'usr/share/man', `man${name.slice(-1)}`);
    mkdirSync(folder, { recursive: true });
    cpSync(join(manuals, name), join(folder, name));
  }
  const files = readdirSync(manuals).map((name) => join(root, 'usr/share/man', `man${name.slice(-1)}`, name));
  run(['gzip', '-9n', ...files]);
}

/** Completion of a program for each shell, as the program itself writes it. */
function layCompletion(root, lib, order, name) {
  const paths = {
    bash: `usr/share/bash-completion/completions/${name}`,
    zsh: `usr/share/zsh/vendor-completions/_${name}`,
    fish: `usr/share/fish/vendor_completions.d/${name}.fish`,
  };
  for (const shell of shells) write(join(root, paths[shell]), completionOf(lib, order, name, shell));
}

export function completionOf(lib, { runtime, scratch }, name, shell) {
  const called = join(scratch, 'called', name);
  if (!existsSync(called)) {
    mkdirSync(dirname(called), { recursive: true });
    symlinkSync(join(lib, 'bin', 'pgcellar'), called);
  }
  return run([runtime.node, called, 'completion', shell]);
}

function etc(...words) {
  return join(repository, 'etc', ...words);
}

/** A file of etc with the places of a package. */
function placed(path) {
  return readFileSync(path, 'utf8')
    .replaceAll('/usr/local/bin/pgcellar', '/usr/bin/pgcellar')
    .replaceAll('/etc/pgcellar.d', '/etc/pgcellar/conf.d')
    .replaceAll('/etc/pgcellar.conf', '/etc/pgcellar/pgcellar.conf')
    .replaceAll(/^# \/etc\/(sysusers|tmpfiles)\.d\/.*\n/gm, '');
}

function ownLicence() {
  return readFileSync(join(repository, 'LICENSE'), 'utf8');
}

/** debian/copyright in the machine-readable form; RPMs carry it too. */
function copyrightOf(own, others) {
  const stanza = ({ name, version, license, author, text }) => [
    `Files: ${name === 'Node.js' ? 'usr/lib/pgcellar-runtime/*' : `usr/lib/pgcellar/node_modules/${name}/*`}`,
    `Copyright: ${copyrightLine(text) ?? author ?? `the authors of ${name}`}`,
    `License: ${license}-of-${name.replaceAll(/[^A-Za-z0-9.]/g, '-')}`,
    ...indented(`${name} ${version}\n\n${text ?? `The ${license} licence.`}`),
    '',
  ];
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: pgcellar',
    '',
    'Files: *',
    'Copyright: 2026 the pgcellar developers',
    'License: PostgreSQL',
    ...indented(own),
    '',
    ...others.flatMap(stanza),
  ].join('\n');
}

function copyrightLine(text) {
  return /^\s*Copyright (?:\(c\)|©)?\s*(.*\S)/im.exec(text ?? '')?.[1];
}

function indented(text) {
  return text
    .replaceAll('\r', '')
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.replaceAll('\t', '  ').trimEnd()}`));
}

function layChangelog(doc, { version, time }) {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  const entry = `pgcellar (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${maintainer}  ${date}\n`;
  write(join(doc, 'changelog'), entry);
  run(['gzip', '-9n', join(doc, 'changelog')]);
  if (basename(doc) !== 'pgcellar') return;
  write(join(doc, 'CHANGELOG.md'), readFileSync(join(repository, 'CHANGELOG.md')));
}

export const maintainer = 'the pgcellar developers <pgcellar@packages.invalid>';

/** What each package is, for both families of packages. */
export const words = {
  pgcellar: {
    summary: 'backup and recovery manager for PostgreSQL',
    description: [
      'pgcellar takes base backups of PostgreSQL servers, receives their WAL',
      'continuously, keeps both in a catalog, and restores to any point in time.',
      'It reads and writes the configuration, the catalog and the command line of',
      'Barman.',
    ],
  },
  'pgcellar-runtime': {
    summary: 'Node.js that pgcellar runs on',
    description: [
      'The release of Node.js that pgcellar was tested with, in a folder of its',
      'own: no other program finds it by accident.',
    ],
  },
  'pgcellar-compat': {
    summary: 'pgcellar under the names of the programs of Barman',
    description: [
      'The commands barman, barman-wal-archive and barman-wal-restore, which run',
      'pgcellar: what calls Barman today needs no change. The barman-cloud-*',
      'commands run those of Barman, from the package python3-barman.',
    ],
  },
};

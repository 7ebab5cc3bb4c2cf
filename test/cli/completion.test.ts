// Completion as a real bash, zsh and fish do it, with the servers and backups of a home.
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { backupOf, serverFrom, storeBackups } from '../unit/check/check-setup.ts';

const opened = new Opened();
let home: TestHome;
let path: readonly string[];

beforeAll(async () => {
  const section = { active: false, conninfo: 'host=/nowhere', backup_method: 'postgres' };
  home = await opened.add(createTestHome({ servers: { main: section, 'main-copy': section, other: section } }));
  const server = serverFrom(home.configFile, 'main', home.env());
  await storeBackups(server, [backupOf('20260101T000000'), backupOf('20260102T000000', { status: 'FAILED' })]);
  path = [dirname(await programPath(home))];
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await runPgcellar(['completion', shell], { home, config: false });
    await writeFile(scriptOf(shell), stdout);
  }
});
afterAll(() => opened.close());

const scriptOf = (shell: string): string => join(home.folder, `completion.${shell}`);

async function run(argv: readonly string[], input?: string): Promise<string> {
  const env = home.env({ path, more: { BARMAN_CONFIG_FILE: home.configFile, TERM: 'dumb' } });
  const result = await runProgram(argv, { env, cwd: home.folder, ...(input === undefined ? {} : { input }) });
  if (result.exitCode !== 0) throw new Error(`${argv.join(' ')}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

type Complete = (line: string) => Promise<readonly string[]>;

/** Readline's own variables, set as it does for a line with the cursor at its end. */
const inBash: Complete = async (line) => {
  const words = line.split(' ').map((word) => `'${word}'`);
  const script = `source ${scriptOf('bash')}
COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${String(words.length - 1)}; COMP_LINE='${line}'; COMP_POINT=${String(line.length)}
$(complete -p pgcellar | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p') pgcellar
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return wordsOf(await run(['bash', '--norc', '-c', script]));
};

/** A zsh on a terminal of its own, whose list of matches is what it would show for a Tab. */
const inZsh: Complete = async (line) => {
  const script = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PROMPT=; autoload -Uz compinit && compinit -D -u; source ${scriptOf('zsh')}; zstyle ":completion:*" list-grouped false'
zpty -w z 'compadd() { local -a got; [[ $* == *-[OAD]* ]] && { builtin compadd "$@"; return }; builtin compadd -A got "$@"; (( \${#got} )) && print -rl -- "match:\${(@)^got}" >>${home.folder}/zsh.out; builtin compadd "$@" }'
zpty -w z 'bindkey "^I" complete-word; print -r -- ready >${home.folder}/zsh.ready'
while [[ ! -e ${home.folder}/zsh.ready ]]; do sleep 0.05; done
zpty -w -n z $'${line}\\t'
for i in {1..200}; do sleep 0.05; [[ -s ${home.folder}/zsh.out ]] && break; done
sleep 0.2
zpty -d z
cat ${home.folder}/zsh.out; rm -f ${home.folder}/zsh.out ${home.folder}/zsh.ready`;
  const matches = (await run(['zsh', '-f', '-c', script])).split('\n').filter((text) => text.startsWith('match:'));
  return [...new Set(matches.map((text) => text.slice('match:'.length)))];
};

const inFish: Complete = async (line) => {
  const out = await run(['fish', '--no-config', '-c', `source ${scriptOf('fish')}; complete -C '${line}'`]);
  return wordsOf(out).map((text) => text.split('\t')[0] ?? '');
};

const wordsOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

describe.each([
  ['bash', inBash],
  ['zsh', inZsh],
  ['fish', inFish],
] as const)('%s completes', (_shell, complete) => {
  test.each([
    { title: 'verbs', line: 'pgcellar list-', found: ['list-backups', 'list-files', 'list-processes', 'list-servers'] },
    { title: 'options of a verb', line: 'pgcellar check --', found: ['--nagios', '--check-timeout', '--help'] },
    { title: 'choices of an option', line: 'pgcellar -f ', found: ['console', 'json'] },
    { title: 'servers', line: 'pgcellar check m', found: ['main', 'main-copy'] },
    {
      title: 'backups of the server, and the words for them',
      line: 'pgcellar show-backup main ',
      found: ['20260102T000000', '20260101T000000', 'latest', 'oldest', 'latest-full', 'last-failed'],
    },
  ])('$title', async ({ line, found }) => {
    expect([...(await complete(line))].toSorted()).toEqual([...found].toSorted());
  });
});

test('a configuration that cannot be read completes verbs still, and says nothing', async () => {
  const options = { home, config: false, env: { BARMAN_CONFIG_FILE: '/nonexistent' } } as const;
  expect(await runPgcellar(['complete', '--', 'check', ''], options)).toMatchObject({
    exitCode: 0,
    stderr: '',
    stdout: 'all\tevery server\n',
  });
  expect((await runPgcellar(['complete', '--', 'chec'], options)).stdout).toMatch(/^check\t/);
});

test('each script is taken by its own shell without a complaint', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) await run([shell, '-n', scriptOf(shell)]);
});

test('an unknown shell is wrong usage, with the known ones', async () => {
  const { exitCode, stderr } = await runPgcellar(['completion', 'tcsh'], { home, config: false });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('choose from bash, zsh, fish');
});

import { describe, expect, test } from 'vitest';
import { allChecks, checkTimeout } from '../../../src/check/all-checks.ts';
import { allRemedies } from '../../../src/check/remedies.ts';
import { fillRemedy, type Remedy, type RemedyStep, type RemedyValues } from '../../../src/check/remedy.ts';
import { renderRemedy } from '../../../src/output/render-remedy.ts';

const named = [...allChecks, checkTimeout].flatMap(({ remedies }) => remedies);

test('every check that can fail names a remedy, and no remedy is named by nobody', () => {
  const without = allChecks.filter(({ remedies }) => remedies.length === 0).map(({ name }) => name);
  expect(without).toEqual(['pg_basebackup supports tablespaces mapping']);
  expect(allRemedies.map(({ key }) => key).filter((key) => !named.some((other) => other === key))).toEqual([]);
});

test('every remedy has a step', () => {
  expect(allRemedies.filter(({ steps }) => steps.length === 0)).toEqual([]);
});

describe('the runnable steps of every remedy', () => {
  const textOf = (step: RemedyStep): string => ('words' in step ? step.words.join(' ') : step.text);
  const placeholdersOf = ({ steps }: Remedy): string[] =>
    steps.flatMap((step) => [...textOf(step).matchAll(/\{([a-zA-Z]+)\}/g)].map(([, key = '']) => key));
  const allKnown = (remedy: Remedy): RemedyValues =>
    Object.fromEntries(placeholdersOf(remedy).map((key) => [key, `the ${key} … {x}`]));
  const runnable = (remedy: Remedy, values: RemedyValues, over?: 'conninfo') =>
    fillRemedy(remedy, values, over).steps.filter(({ use }) => use === 'run');

  test.each(allRemedies)('$key: nothing that a head has to fill in', (remedy) => {
    for (const step of remedy.steps.filter(
      (each) => runnable({ ...remedy, steps: [each] }, allKnown(remedy), 'conninfo').length > 0,
    )) {
      expect(textOf(step)).not.toContain('…');
      expect(['pgcellar', 'shell', 'root', 'sql']).toContain(step.kind);
    }
    for (const missing of placeholdersOf(remedy)) {
      const values = { ...allKnown(remedy), [missing]: undefined };
      const holding = remedy.steps.filter((step) => textOf(step).includes(`{${missing}}`));
      expect(runnable({ ...remedy, steps: holding }, values, 'conninfo')).toEqual([]);
    }
  });

  test.each(allRemedies)('$key: no SQL without a connection', (remedy) => {
    expect(runnable(remedy, allKnown(remedy)).filter(({ kind }) => kind === 'sql')).toEqual([]);
  });

  test.each(allRemedies)('$key: what deletes, trusts or replaces is a decision', ({ steps }) => {
    const grave = steps.filter((step) => /^delete | >> |ownertrust|-exec mv|SET archive_command/.test(textOf(step)));
    const isReplacing = (step: RemedyStep): boolean => !textOf(step).includes('archive_command') || steps.length > 2;
    expect(grave.filter(isReplacing).filter(({ isDecision }) => isDecision !== true)).toEqual([]);
  });
});

describe('filling a remedy', () => {
  const remedy = (step: Remedy['steps'][number]): Remedy => ({ key: 'x', cause: 'the role {role} of {ids}', steps: [step] });
  const lines = (step: Remedy['steps'][number], values: Parameters<typeof fillRemedy>[1]) =>
    renderRemedy(fillRemedy(remedy(step), values), ['pgcellar']);

  test('a word stays one word whatever is in it', () => {
    const step = { kind: 'shell', words: ['mkdir', '-p', '{folder}'] } as const;
    expect(lines(step, { folder: "/a b/$(c)'" })[1]).toBe(`run: mkdir -p '/a b/$(c)'"'"''`);
  });

  test('SQL has names where names stand and literals where literals stand', () => {
    const step = { kind: 'sql', text: "GRANT a TO {role}; SELECT '{role}';" } as const;
    expect(lines(step, { role: `O'b"x` })[1]).toBe(`SQL, as a superuser: GRANT a TO "O'b""x"; SELECT 'O''b"x';`);
  });

  test('a list makes a step for each of its members', () => {
    const step = { kind: 'pgcellar', words: ['delete', 'main', '{ids}'] } as const;
    expect(lines(step, { ids: ['1', '2'], role: 'r' })).toEqual([
      'cause: the role r of 1, 2',
      'run: pgcellar delete main 1',
      'run: pgcellar delete main 2',
    ]);
    expect(lines(step, { ids: [] })).toHaveLength(1);
  });

  test('lines of a setting are told one by one', () => {
    expect(lines({ kind: 'setting', text: 'a = 1\nb = 2' }, {}).slice(1)).toEqual([
      'in the section of the server: a = 1',
      'in the section of the server: b = 2',
    ]);
  });
});

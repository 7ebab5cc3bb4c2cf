// Configurations and commands of the documentation, which tests run as they are printed there.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * The fenced block of a page that begins with `firstLine`, with its names replaced by those of a test.
 * @param replacements what is printed to what takes its place, in this order; each has to be there
 * @throws Error when the page has no such block, or not what is to be replaced
 */
export async function pageBlock(
  page: string,
  firstLine: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<string> {
  const text = await readFile(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  const blocks = [...text.matchAll(/^```\w*\n(?<content>[\s\S]*?)^```$/gm)].map((match) => match.groups?.['content'] ?? '');
  let block = blocks.find((each) => each.startsWith(firstLine));
  if (block === undefined) throw new Error(`docs/${page} has no block that begins with: ${firstLine}`);
  for (const [printed, ours] of Object.entries(replacements)) {
    if (!block.includes(printed)) throw new Error(`the block "${firstLine}" of docs/${page} does not have: ${printed}`);
    block = block.replaceAll(printed, ours);
  }
  return block;
}

/**
 * Perplexity of a language model: e to the mean loss of a token, over all tokens together and not a mean of texts.
 * @param losses sum of the cross entropies of each row's tokens, in nats
 * @param tokens how many tokens of each row were predicted
 * Cost: one pass.
 */
export function perplexity(losses: ArrayLike<number>, tokens: ArrayLike<number>, rows?: ArrayLike<number>): number {
  const count = rows?.length ?? losses.length;
  let loss = 0;
  let all = 0;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    loss += losses[row];
    all += tokens[row];
  }
  return Math.exp(loss / all);
}

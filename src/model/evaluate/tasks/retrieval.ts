// Which passages answer which query: ranked by the cosine of their vectors.
import { InvalidInputError } from "../../../errors.js";
import { quote } from "../../../formats/json.js";
import type { Table } from "../table.js";
import { checkExamples, numbersOf, tableOf } from "../examples.js";
import { mean } from "../metrics/mean.js";
import { ndcgAtK } from "../metrics/ndcg.js";
import { recallAtK } from "../metrics/recall.js";
import type { Answer, Answers, Metric, Task, Trial } from "../task.js";
import { cosine, Vectors } from "../vectors.js";

const usualK = 10;

/**
 * Files as BEIR has them (Thakur et al. 2021): queries and passages with `_id` (or `id`) and `text`, passages with `title` too where there
 * is one, and relevance as `query-id`, `corpus-id`, `score`; or a column `relevant` of the queries with ids of passages, divided by spaces.
 */
export const retrieval: Task = {
  name: "retrieval",
  description: "passages that answer a query: recall, nDCG",
  text: ["text"],
  label: "relevant",
  prepare({ data, options, encoder, output: outputOf }): Trial {
    const output = outputOf("vector", "states");
    const { text: [column = "text"] = [], label = "relevant", k = usualK } = options;
    if (!Number.isSafeInteger(k) || k < 1)
      throw new InvalidInputError(`k must be a whole number of at least 1; got ${k}.`);
    const queries = tableOf(data, "retrieval");
    const { passages } = data;
    if (!passages)
      throw new InvalidInputError(`${data.name} has queries; give what is searched too: --passages FILE.`, {
        file: data.name,
      });
    const passageAt = new Map(idsOf(passages).map((id, i) => [id, i] as const));
    const grades = data.relevance ? gradesOf(data.relevance) : gradesIn(queries, label);
    const asked = idsOf(queries).flatMap((id, row) => {
      const found = [...(grades.get(id) ?? [])].filter(([, grade]) => grade > 0);
      if (found.length === 0) return [];
      const relevance = found.map(([passage, grade]): [number, number] => {
        const at = passageAt.get(passage);
        if (at !== undefined) return [at, grade];
        throw new InvalidInputError(
          `${data.name}: query ${quote(id)} has the relevant passage ${quote(passage)}, which ${passages.name} has not. Give the passages that belong to these queries.`,
          { file: data.name, row },
        );
      });
      return [{ row, relevance: new Map(relevance) }];
    });
    checkExamples(data.name, asked.length);
    const texts = queries.column(column);
    const titles = passages.columns.includes("title") ? passages.column("title") : undefined;
    const found = passages.column("text").map((text, i) => (titles?.[i] ? `${titles[i]} ${text}` : text));
    const code = encoder();
    const without = queries.length - asked.length;
    return {
      sequences: [...asked.map(({ row }) => texts[row]), ...found].map((each) => code.encode(each)),
      ...{ output, examples: asked.length },
      notes: without > 0 ? [`${without} queries without a relevant passage are left out.`] : [],
      answers: () =>
        new RankedAnswers(
          asked.map(({ relevance }) => relevance),
          passages.length,
          k,
        ),
    };
  },
};

function idsOf(table: Table): readonly string[] {
  return table.column(table.columns.includes("_id") ? "_id" : "id");
}

type Grades = Map<string, Map<string, number>>;

function gradesOf(table: Table): Grades {
  const [queries, passages] = [table.column("query-id"), table.column("corpus-id")];
  const scores = table.columns.includes("score") ? numbersOf(table, "score") : undefined;
  const grades: Grades = new Map();
  queries.forEach((query, i) => {
    const own = grades.get(query) ?? new Map<string, number>();
    grades.set(query, own.set(passages[i], scores?.[i] ?? 1));
  });
  return grades;
}

function gradesIn(queries: Table, column: string): Grades {
  const ids = idsOf(queries);
  const relevant = queries.column(column);
  return new Map(
    ids.map((id, i) => [
      id,
      new Map(
        relevant[i]
          .split(/[\s,]+/)
          .filter(Boolean)
          .map((each) => [each, 1]),
      ),
    ]),
  );
}

class RankedAnswers implements Answers {
  private readonly vectors: Vectors;

  constructor(
    private readonly relevance: readonly ReadonlyMap<number, number>[],
    private readonly passages: number,
    private readonly k: number,
  ) {
    this.vectors = new Vectors(relevance.length + passages);
  }

  take(at: number, answer: Answer): void {
    this.vectors.set(at, answer);
  }

  metrics(): readonly Metric[] {
    const { relevance, passages, vectors, k } = this;
    const recalls = new Float64Array(relevance.length);
    const gains = new Float64Array(relevance.length);
    const scores = new Float64Array(passages);
    relevance.forEach((grades, query) => {
      const vector = vectors.row(query);
      for (let i = 0; i < passages; ++i) scores[i] = cosine(vector, vectors.row(relevance.length + i));
      recalls[query] = recallAtK(scores, grades, k);
      gains[query] = ndcgAtK(scores, grades, k);
    });
    return [
      { name: `ndcg@${k}`, better: "higher", score: (rows) => mean(gains, rows) },
      { name: `recall@${k}`, better: "higher", score: (rows) => mean(recalls, rows) },
    ];
  }
}

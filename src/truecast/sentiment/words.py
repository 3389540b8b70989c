"""The words by which the lexicon judges, with what each weighs."""

from itertools import chain

#: Words of opinion, by weight: above 0 is good for whom the news is about.
_OPINIONS: dict[float, str] = {
    1.5: """
        best blockbuster booming breakthrough bullish excellent exceptional impressive jubilant
        outperform outperformed outperforming outperforms outstanding spectacular stellar superb
        terrific thrive thrived thrives thriving triumph
        """,
    1.0: """
        accelerating achieve achieved achievement achievements achieves acclaim award awarded
        awards beat beaten beating beats beneficial benefit benefited benefits better boom boost
        boosted boosting boosts breakthroughs brisk buoyant buoyed cheer cheered cheers confident
        constructive delight delighted efficient encouraged encouraging enhance enhanced enhances
        enjoy enjoyed enjoys enthusiasm exceed exceeded exceeding exceeds excited favorable
        favourable flourish flourishing gainers gainer good great happy healthy hopeful improve
        improved improvement improvements improves improving innovation innovative lucrative
        optimism optimistic overcome overcomes overtake overtakes positive praise praised praises
        profitable profitably progress promising prosper prosperity prosperous rebounding
        resilience resilient resolved reward rewarded rewarding rewards robust satisfied smooth
        solid stabilise stabilised stabilises stabilize stabilized stabilizes strength strengthen
        strengthened strengthening strengthens strong stronger strongest succeed succeeded succeeds
        success successes successful successfully surpass surpassed surpasses surpassing
        top topped topping tops upbeat upgrade upgraded upgrades upgrading upside vibrant vigorous
        welcome welcomed welcomes win winner winners winning wins won
        """,
    0.5: """
        able agreement agrees approval approve approved approves attractive backed backs
        breakout buyback buybacks calm clears confidence deal deals dividend eager gift hope hopes
        incentive launch launched launches opportunities opportunity partnership
        partnerships popular recovery repurchase safe secure secured secures settle settled settles
        stability stable steady stimulus support supported supports sustainable truce
        """,
    -0.5: """
        absence allegation allegations alleged allege alleges bubble burden caution cautious
        challenge challenges challenging closes closure closures complaint concern concerned
        concerns costly delay delayed delays delist delisted difficult difficulties difficulty
        disrupt disrupted disruption disruptions disrupts doubt doubts downside drag drags
        exit exits freeze halt halted halts halting headwind headwinds hurdle hurdles idle
        investigate investigated investigation investigations lag lagged lagging lags loses
        overvalued penalties penalty pressure pressured pressures probe probes protest protests
        quit quits recall recalls resign resigned resigns restructuring sanction sanctions shortage
        shortages shortfall sluggish stall stalled stalls strike strikes struggle struggled
        struggles struggling sue sued sues suspend suspended suspends suspension tepid uncertain
        uncertainty unsettled vulnerable warn warned warning warnings warns
        """,
    -1.0: """
        abandon abandoned abandons abuse accident accuse accused accuses adverse alarm alarmed
        alarming alarms anxiety anxious attack attacks bad ban banned bans bearish blow boycott
        breach breached breaches bribery bust collapse collapsed collapses collapsing conflict
        contraction corruption crime criminal crises crisis criticise criticised criticises
        criticism criticize criticized criticizes damage damaged damages damaging danger dangerous
        deadly default defaulted defaults defect defective defects deficient deteriorate
        deteriorated deteriorates deteriorating deterioration dire disappoint disappointed
        disappointing disappointment disappoints dismal dispute distress distressed downbeat
        downgrade downgraded downgrades downgrading downturn fail failed failing fails failure
        failures fine fined fines flop foreclosure foreclosures gloom gloomy grim harm
        harmed harmful harms harsh hurt hurting hurts illegal impair impaired impairment
        inability insolvency insolvent jitters lawsuit lawsuits layoff layoffs litigation loser
        losers miss missed misses missing misconduct negative nervous outage outages panic
        pessimism pessimistic plagued poor problem problems ransom rout scandal scandals scare
        scrap scrapped scraps sell-off selloff severe severely shock shocks shutdown slowdown
        slump slumped slumping slumps stagnant stagnation stagflation stress suffer suffered
        suffering suffers threat threaten threatened threatening threatens threats trouble troubled
        troubles turmoil underperform underperformed underperforms unfavorable unfavourable
        unprofitable unrest unsuccessful upheaval upset victim violate violated violation
        violations volatile war weak weaker weakest weakness woes worried worries worry worrying
        worse worsen worsened worsening worsens writedown writedowns wrong
        """,
    -1.5: """
        bankrupt bankruptcies bankruptcy bloodbath calamity carnage catastrophe catastrophic
        crash crashed crashes crashing depression devastated devastating disaster disastrous
        dreadful fraud fraudulent horrible meltdown nosedive nosedived recession terrible
        worst
        """,
}

#: Words that say which way a quantity goes, by weight.
_MOVEMENTS: dict[float, str] = {
    1.5: """
        rocket rocketed rockets skyrocket skyrocketed skyrockets soar soared soaring soars surge
        surged surges surging
        """,
    1.0: """
        advance advanced advances advancing climb climbed climbing climbs expand expanded expanding
        expands gain gained gaining gains grew grow growing grown grows higher increase increased
        increases increasing jump jumped jumping jumps leap leapt leaps lift lifted lifting lifts
        raise raised raises raising rallied rallies rally rallying rebound rebounded rebounds
        recover recovered recovering recovers rise risen rises rising rose spike spiked spikes
        spiking swell swelled swells up uptick upturn widen widened widening widens
        """,
    -0.5: """
        ease eased eases easing edge narrow narrowed narrowing narrows pare pared pares slow slowed
        slower slowing slows trim trimmed trims
        """,
    -1.0: """
        cut cuts cutting decline declined declines declining decrease decreased decreases
        decreasing dent dented dip dipped dips down drop dropped dropping drops fall fallen falling
        falls fell lose losing lost lower lowered lowering lowers plunging reduce reduced reduces
        reducing reduction retreat retreated retreats shed sheds shrank shrink shrinking shrinks
        sink sinking sinks slid slide slides sliding slip slipped slipping slips sunk weaken
        weakened weakening weakens
        """,
    -1.5: """
        plummet plummeted plummeting plummets plunge plunged plunges sank slash slashed slashes
        slashing tank tanked tanks tumble tumbled tumbles tumbling
        """,
}

#: Quantities whose rise is bad, by what each weighs where nothing moves it.
_BURDENS: dict[float, str] = {
    0.0: """
        borrowing claims costs cost debt debts deficit deficits expense expenses inflation
        inflationary inventories leverage spread spreads taxes unemployment vix
        """,
    -0.5: """
        delinquencies delinquency jobless risk risks tariff tariffs tension tensions volatility
        """,
    -1.0: "fear fears loss losses liabilities liability",
}

#: Quantities whose rise is good, alike.
_MERITS: dict[float, str] = {
    0.5: "growth profit profits",
    0.0: """
        bookings cash demand earnings forecast guidance hiring income index jobs margin margins
        market markets orders outlook output payrolls price production productivity rating
        revenue revenues sales sentiment shares spending stock stocks target traffic
        """,
}

#: Quantities whose way says nothing by itself.
_INDIFFERENT = "yield yields temperature temperatures turnout"

#: Words that belong together, by weight; they count as one.
_PHRASES: dict[float, str] = {
    1.5: "record high, record highs, record close, record profit, record sales, record revenue, "
    "record earnings, all time high, all time highs, better than expected, "
    "stronger than expected, beats expectations, beat expectations, beats estimates, "
    "beat estimates, tops expectations, tops estimates, new high, new highs",
    1.0: "hits record, at record, new record, sets record, set record, more than expected, "
    "above expectations, above estimates, above forecast, back on track, bounces back, "
    "turns around, in demand, raises outlook, raises forecast, raises guidance, "
    "raises dividend, raises target, on track, soft landing, profit taking ends",
    0.5: "rate cut, rate cuts, cuts rates, cut rates, lower rates, picks up, shrugs off, "
    "cuts interest rates, cut interest rates, peace talks, buy rating",
    0.0: "up to, set up, sets up, start up, start ups, sign up, signs up, follow up, make up, "
    "made up, up for, up and down, shut down, top story, top stories, top news, top stock, "
    "top stocks, fine print, going down as, lower house, higher education, higher court, "
    "stop loss, loss adjusted, win win, what to watch, war chest, short cut, "
    "good morning, best buy, hedge against, missing link, edge computing, oil tank, "
    "fall season, jump start, good friday, great britain, price target, fear index, "
    "fear and greed, slide show, break down",
    -0.5: "rate hike, rate hikes, raises rates, raise rates, higher rates, hikes rates, "
    "raises interest rates, interest rate hike, interest rate hikes, steps down, sell rating, "
    "hard landing, higher for longer, profit taking",
    -1.0: "less than expected, below expectations, below estimates, below forecast, falls short, "
    "fell short, fall short, short of, job cuts, cuts jobs, cut jobs, to cut jobs, "
    "cuts outlook, cuts forecast, cuts guidance, cuts dividend, cuts target, bear market, "
    "lays off, laid off, sell off, sells off, under fire, under pressure, pulls out, "
    "under investigation, going concern, class action, in the red, trade war, "
    "wiped out, wipes out, weighs on, weigh on, weighed on, data breach, shut downs",
    -1.5: "record low, record lows, all time low, worse than expected, weaker than expected, "
    "misses expectations, missed expectations, misses estimates, missed estimates, "
    "profit warning, profit warnings, record loss, record losses, new low, new lows, "
    "chapter 11, ponzi scheme, credit crunch, bank run, margin call",
}


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that turn what follows within a few words into a weaker opposite.
NEGATORS = _words_of(
    """
    no not never neither nor none without cannot can't don't doesn't didn't won't wouldn't isn't
    aren't wasn't weren't hasn't haven't couldn't shouldn't hardly barely scarcely lack lacks
    lacking lacked unlikely unable less fewer despite avoid avoids avoided avert averts averted
    prevent prevents prevented escape escapes escaped dodge dodges dodged deny denies denied
    dispel dispels calms refuses
    """
)

#: Words beside which another weighs more, and less.
STRONGER = _words_of(
    """
    biggest considerably deeply dramatically enormously extremely far greatly heavily highly
    hugely major massive massively most much particularly rapidly record really sharp sharply
    significant significantly so steep steeply strongly substantial substantially too very
    """
)
MILDER = _words_of(
    """
    bit fairly gradually little marginal marginally mild mildly minor modest modestly partly
    relatively slight slightly small somewhat
    """
)


def _weights(table: dict[float, str]) -> dict[str, float]:
    return {word: weight for weight, words in table.items() for word in words.split()}


OPINIONS = _weights(_OPINIONS)
MOVEMENTS = _weights(_MOVEMENTS)

#: Quantity to what a rise of it means (1 good, −1 bad, 0 nothing) and its weight unmoved.
QUANTITIES: dict[str, tuple[float, float]] = {
    **{word: (-1.0, weight) for word, weight in _weights(_BURDENS).items()},
    **{word: (1.0, weight) for word, weight in _weights(_MERITS).items()},
    **{word: (0.0, 0.0) for word in _INDIFFERENT.split()},
}

#: First word of phrases to the phrases, the longest first, with their weight.
PHRASES: dict[str, tuple[tuple[tuple[str, ...], float], ...]] = {}
for _words, _weight in sorted(
    chain.from_iterable(
        ((tuple(phrase.split()), weight) for phrase in phrases.split(", "))
        for weight, phrases in _PHRASES.items()
    ),
    key=lambda entry: -len(entry[0]),
):
    PHRASES[_words[0]] = (*PHRASES.get(_words[0], ()), (_words, _weight))

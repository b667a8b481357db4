# Makes printouts.json: what print(summary()) of lme4 shows, and R's own printing of a table of coefficients.
# Run in a folder that holds each data set of load_dataset() as <name>.csv:  Rscript printouts.R > printouts.json
suppressMessages({library(lme4); library(jsonlite)})

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.2, rhoend = 1e-11, maxfun = 1e6))
read <- function(name) {
  d <- read.csv(paste0(name, ".csv"), stringsAsFactors = FALSE)
  if (name == "hsb") {
    d$sector <- factor(d$sector, c("Public", "Catholic"))
    d$sex <- factor(d$sex, c("Male", "Female"))
    d$minority <- factor(d$minority, c("No", "Yes"))
  }
  d
}
fits <- list(
  list("hsb", "math ~ ses + (ses | school)", TRUE),
  list("hsb", "math ~ ses + (ses | school)", FALSE),
  list("hsb", "math ~ ses * sector + sex + (1 | school)", TRUE),
  list("hsb", "math ~ meanses * cses + sector * cses + minority + (ses + minority | school)", TRUE),
  list("hsb", "math ~ sex + (sex | school)", TRUE),
  list("sleepstudy", "Reaction ~ Days + (Days || Subject)", FALSE),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", TRUE),
  list("pastes", "strength ~ 1 + (1 | batch/cask)", TRUE),
  list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", TRUE),
  list("dyestuff2", "Yield ~ 1 + (1 | Batch)", TRUE),
  list("egsingle", "math ~ year + (year | schoolid/childid)", TRUE)
)
quiet <- function(expr) suppressMessages(suppressWarnings(expr))
shown <- lapply(fits, function(f) {
  fit <- quiet(lmer(as.formula(f[[2]]), read(f[[1]]), REML = f[[3]], control = tight))
  list(data = f[[1]], formula = f[[2]], reml = f[[3]], lines = capture.output(print(summary(fit), show.resids = TRUE)))
})

# Columns as those of lmerTest's summary: printed by R's own printCoefmat() with its arguments.
tables <- list(
  list(c(12.665023, 2.393813), c(0.189845, 0.118121), c(145.5509, 157.5297)),
  list(c(251.40510, 10.46729, 0.0123), c(6.824557, 1.545789, 0.01), c(17, 17, 170.3)),
  list(c(-0.77916, 0.76312), c(0.0583017, 0.0153992), c(59.8432, 55.3382)),
  list(c(1234567.8, 0.00012345), c(34567.8, 0.00004), c(6865, 12.4)),
  list(c(0.5, 1.25, -3), c(1, 1, 1), c(10, 10, 10))
)
coefficients <- lapply(tables, function(x) {
  t <- x[[1]] / x[[2]]
  m <- cbind(x[[1]], x[[2]], x[[3]], t, 2 * pt(abs(t), x[[3]], lower.tail = FALSE))
  dimnames(m) <- list(letters[seq_along(t)], c("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"))
  options(useFancyQuotes = FALSE)
  lines <- capture.output(printCoefmat(m, zap.ind = 3, digits = 4, has.Pvalue = TRUE, P.values = TRUE))
  list(estimate = x[[1]], se = x[[2]], df = x[[3]], lines = lines)
})
numbers <- list(c(4.82864, 0.41293, 36.83016), c(0, 13.806), c(1e-5, 2), c(123456.7, 0.001234), c(1762.003, -876, 175),
                c(1e10, 2.5e10), c(0.5, 0.25))
formats <- lapply(numbers, function(x) list(values = x, text = format(x, digits = 4)))
p <- list(c(1e-30, 3.264e-6, 0.2204), c(1e-30, 1e-40), c(0.5, 0.051), c(1e-20, 0.5), c(0.0009, 0.9123))
probabilities <- lapply(p, function(x) list(values = x, text = format.pval(x, digits = 3, eps = .Machine$double.eps)))
names <- list(c("(Intercept)", "sectorPublic", "sexMale", "ses:sectorPublic"), c("treatmentA", "treatmentB"), c("year", "yearly"),
              c("poly(age, 2)1", "poly(age, 2)2"))
short <- lapply(names, function(x) list(names = x, six = unname(abbreviate(x, 6)), eleven = unname(abbreviate(x, 11))))

cat(toJSON(list(
  source = "printouts.R in this folder", program = "lme4 1.1-31 under R 4.2.2",
  summaries = shown, coefficients = coefficients, formats = formats, probabilities = probabilities, short = short),
  auto_unbox = TRUE, digits = NA, na = "null", pretty = 1), "\n")
